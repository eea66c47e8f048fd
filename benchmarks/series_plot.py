"""Growth with the number of series as a picture: both axes logarithmic, all beginning at 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#b3261e", "#1f6feb", "#2e7d4f", "#e8a33d", "#6b4fa0", "#9f86d0", "#0b7285", "#66b3bf")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 420, 60, 300, 30, 50
_TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#1f2933"'


def picture(courses: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return an SVG of how many times its first value each becomes, beside linear growth."""
    first = next(iter(courses.values()))
    low, high = first[0][0], first[-1][0]
    ratios = [y / points[0][1] for points in courses.values() for _, y in points]
    least, most = min(0.5, *ratios), max(high / low, *ratios)

    def at(x: float, ratio: float) -> tuple[float, float]:
        across = math.log(x / low) / math.log(high / low)
        up = math.log(ratio / least) / math.log(most / least)
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * width, _HEIGHT - _BOTTOM - up * height

    parts = [_line([at(low, 1), at(high, high / low)], "#7b8794", 'stroke-dasharray="5 5"')]
    for x, _ in first:
        left, y = at(x, least)
        parts.append(_text(left, y + 20, f"{x:,.0f}", 'text-anchor="middle"'))
    for ratio in (0.5, 1, 2, 5, 10, 20):
        if least <= ratio <= most:
            left, y = at(low, ratio)
            parts.append(_line([(left, y), at(high, ratio)], "#e4e7eb"))
            parts.append(_text(left - 10, y + 4, f"{ratio:g}×", 'text-anchor="end"'))
    legend = _WIDTH - _RIGHT + 20
    for row, (name, points) in enumerate(courses.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        parts.append(_line([at(x, y / points[0][1]) for x, y in points], colour))
        y = _TOP + 10 + row * 22
        parts.append(_line([(legend, y), (legend + 22, y)], colour))
        parts.append(_text(legend + 30, y + 4, name))
    y = _TOP + 10 + len(courses) * 22
    parts.append(_line([(legend, y), (legend + 22, y)], "#7b8794", 'stroke-dasharray="5 5"'))
    parts.append(_text(legend + 30, y + 4, "as the series"))
    parts.append(_text(_LEFT, _HEIGHT - 8, "active series"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">\n'
        "<title>Growth with the number of series</title>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _line(points: Sequence[tuple[float, float]], colour: str, more: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {more}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {_TEXT} {more}>{escape(text)}</text>'
