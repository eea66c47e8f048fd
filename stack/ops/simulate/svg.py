"""The time lines as a picture, for a guide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from stack.breaker import CircuitState
from stack.ops.simulate.patterns import PATTERNS, Scene
from stack.ops.simulate.run import Outcome

# Told apart by lightness as well as by hue.
_COLOURS = {
    CircuitState.CLOSED: "#9fd5b5",
    CircuitState.HALF_OPEN: "#e8a33d",
    CircuitState.OPEN: "#b3261e",
}
_WIDTH, _MARGIN, _BAR, _GAP, _FAULT = 900, 16, 16, 6, 24
_CHARACTER = 7.0
_TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#1f2933"'


def picture(outcomes: Sequence[Outcome], scene: Scene) -> str:
    """Return an SVG: for each pattern what failed when, and below it each breaker's states."""
    names = max(len(each.setting) for each in outcomes) * _CHARACTER + 2 * _MARGIN
    scale = (_WIDTH - names - _MARGIN) / scene.end
    parts: list[str] = []
    y = float(_MARGIN)
    for name, group in groupby(outcomes, key=lambda each: each.pattern):
        title = f"{name}: {PATTERNS[name].what(scene)}"
        parts.append(_text(_MARGIN, y + 13, title, 'font-weight="600"'))
        y += 22
        parts.append(_fault(name, scene, names, y, scale))
        y += _FAULT + _GAP
        for each in group:
            parts.append(_text(_MARGIN, y + 13, each.setting))
            parts += _bars(each, names, y, scale)
            y += _BAR + _GAP
        y += 12
    parts += _legend(names, y, scene)
    height = y + 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">\n'
        "<title>States of circuit breakers during faults</title>\n"
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {_TEXT} {more}>{escape(text)}</text>'


def _fault(name: str, scene: Scene, left: float, y: float, scale: float) -> str:
    """Draw the share of calls that fail, or are slow, as an area."""
    pattern = PATTERNS[name]
    points = [f"{left:.1f},{y + _FAULT:.1f}"]
    steps = 400
    for step in range(steps + 1):
        at = step * scene.end / steps
        slow = pattern.seconds(scene, at) > scene.call_seconds
        level = 1.0 if slow else pattern.failing(scene, at)
        points.append(f"{left + at * scale:.1f},{y + _FAULT * (1 - level):.1f}")
    points.append(f"{left + scene.end * scale:.1f},{y + _FAULT:.1f}")
    return f'<polygon points="{" ".join(points)}" fill="#7b8794"/>'


def _bars(outcome: Outcome, left: float, y: float, scale: float) -> Iterator[str]:
    for each in outcome.spans:
        # A moment would not be seen at its own width.
        width = max(1.0, (each.end - each.start) * scale)
        yield (
            f'<rect x="{left + each.start * scale:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{_BAR}" fill="{_COLOURS[CircuitState(each.state)]}"/>'
        )


def _legend(left: float, y: float, scene: Scene) -> Iterator[str]:
    x = left
    for state, colour in _COLOURS.items():
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="14" height="14" fill="{colour}"/>'
        yield _text(x + 20, y + 12, state.value.replace("_", "-"))
        x += 110
    yield f'<rect x="{x:.1f}" y="{y:.1f}" width="14" height="14" fill="#7b8794"/>'
    yield _text(x + 20, y + 12, f"share of calls that fail or are slow; 0 to {scene.end:g} s")
