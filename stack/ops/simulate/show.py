"""The outcomes as a table and as time lines in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stack.breaker import CircuitState
from stack.ops.simulate.patterns import PATTERNS, Scene
from stack.ops.simulate.run import Outcome

# Told apart without colour, too.
LOOKS = {
    CircuitState.CLOSED: ("·", "green"),
    CircuitState.HALF_OPEN: ("▒", "yellow"),
    CircuitState.OPEN: ("█", "red"),
}
# Share of a cell from which on probing is shown: a single quick probe is not.
_NOTICED = 0.1
_LEVELS = " ▁▂▃▄▅▆▇█"
_NUMBERS = ("openings", "probes", "open", "refused", "failed", "waited", "to open", "to close")


def table(outcomes: Sequence[Outcome]) -> RenderableType:
    """Show the figures, a line an outcome."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("pattern", no_wrap=True)
    grid.add_column("setting", no_wrap=True)
    for name in _NUMBERS:
        grid.add_column(name, justify="right", no_wrap=True)
    for name, group in groupby(outcomes, key=lambda each: each.pattern):
        for number, each in enumerate(group):
            grid.add_row("" if number else name, each.setting, *_figures(each))
    return grid


def _figures(each: Outcome) -> Iterator[str]:
    yield f"{each.openings}{f', {each.early_openings} early' if each.early_openings else ''}"
    yield f"{each.failed_probes} failed" if each.failed_probes else "–"
    yield f"{each.seconds(CircuitState.OPEN):.1f} s"
    yield str(each.refused)
    yield str(each.failed)
    yield f"{each.waited:.0f} s"
    yield "–" if each.opened_after is None else f"{each.opened_after:.1f} s"
    if not each.openings:
        yield "–"
    else:
        yield "not closed" if each.closed_after is None else f"{each.closed_after:.1f} s"


def time_lines(outcomes: Sequence[Outcome], scene: Scene, width: int) -> RenderableType:
    """Show when each breaker was in which state, below what failed when.

    Args:
        outcomes: those of a pattern together.
        scene: whose.
        width: of the terminal, in characters.
    """
    names = max(len(each.setting) for each in outcomes) + 2
    cells = max(20, width - names - 2)
    found: list[RenderableType] = []
    for name, group in groupby(outcomes, key=lambda each: each.pattern):
        pattern = PATTERNS[name]
        found.append(Text.assemble("\n", (name, "bold"), f": {pattern.what(scene)}"))
        found.append(Text(f"{'fault':<{names}}{_fault(name, scene, cells)}", no_wrap=True))
        found += [_line(each, scene, names, cells) for each in group]
    return Group(*found, "", _legend(scene, names, cells))


def _fault(name: str, scene: Scene, cells: int) -> str:
    """Draw the share of calls that fail, or are slow."""
    pattern = PATTERNS[name]
    levels = []
    for cell in range(cells):
        at = (cell + 0.5) * scene.end / cells
        slow = pattern.seconds(scene, at) > scene.call_seconds
        level = 1.0 if slow else pattern.failing(scene, at)
        height = round(level * (len(_LEVELS) - 1))
        # A small share is drawn, too; what is always there is none of the fault's.
        levels.append(_LEVELS[max(height, level > scene.background_ratio)])
    return "".join(levels).rstrip()


def _line(outcome: Outcome, scene: Scene, names: int, cells: int) -> Text:
    line = Text(f"{outcome.setting:<{names}}", no_wrap=True)
    for cell in range(cells):
        line.append(
            *LOOKS[_shown(outcome, cell * scene.end / cells, (cell + 1) * scene.end / cells)]
        )
    return line


def _shown(outcome: Outcome, start: float, end: float) -> CircuitState:
    """Return what a cell shows: calls that were refused must not get lost among others."""
    seconds = dict.fromkeys(CircuitState, 0.0)
    for each in outcome.spans:
        seconds[CircuitState(each.state)] += max(0.0, min(each.end, end) - max(each.start, start))
    if seconds[CircuitState.HALF_OPEN] > _NOTICED * (end - start):
        return CircuitState.HALF_OPEN
    return CircuitState.OPEN if seconds[CircuitState.OPEN] else CircuitState.CLOSED


def _legend(scene: Scene, names: int, cells: int) -> Text:
    legend = Text(f"{'':<{names}}0 s{f'{scene.end:g} s':>{cells - 3}}\n")
    for state, (mark, colour) in LOOKS.items():
        legend.append(mark * 3, colour)
        legend.append(f" {state.value.replace('_', '-')}   ")
    return legend
