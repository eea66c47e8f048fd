"""What all panels of a page ask Prometheus, at the same time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeVar

from stack.ops.console.dashboard import Dashboard, Panel
from stack.ops.console.prometheus import (
    CONNECTIONS,
    Exemplar,
    Prometheus,
    PrometheusError,
    Series,
    UnreachableError,
)
from stack.ops.console.timerange import POINTS, TimeRange
from stack.ops.console.variables import Variable, filled

T = TypeVar("T")
_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_AUTO = "__auto"
# In each of so many slices of the time the highest dot is kept; of more nobody can click one.
_SLICES = 48
# The types that show exemplars.
_DOTTED = {"timeseries", "heatmap"}


@dataclass(frozen=True, slots=True)
class Course:
    """One series of a panel.

    Args:
        name: as its legend has it; empty where the only one needs none.
        series: its labels and values.
    """

    name: str
    series: Series


@dataclass(slots=True)
class Answer:
    """What a panel got.

    Args:
        panel: that asked, with what its variables stand for.
        moments: Unix seconds of the values.
        courses: its series.
        dots: its exemplars.
        problem: why something is missing.
    """

    panel: Panel
    moments: Sequence[int] = ()
    courses: list[Course] = field(default_factory=list)
    dots: list[Exemplar] = field(default_factory=list)
    problem: str = ""

    @property
    def queries(self) -> list[str]:
        """What was asked."""
        return [each["expr"] for each in self.panel.targets]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: Unix seconds, what, and the colour that it is marked in."""

    time: int
    title: str
    color: str


class Asking:
    """Asks Prometheus many things at once. Thread-safe; not to be shared over a fork.

    Args:
        prometheus: answers.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="asking")

    def all(
        self, board: Dashboard, variables: Sequence[Variable], time: TimeRange
    ) -> tuple[list[Answer], list[Mark]]:
        """Return the answer for each panel, and what is marked on those over time.

        Args:
            board: whose panels.
            variables: its variables.
            time: when.

        Raises:
            UnreachableError: Prometheus does not answer.
        """
        values = {each.name: each.value for each in variables}
        texts = {each.name: each.text for each in variables}
        panels = [_filled(panel, values, texts, time) for panel in board.panels]
        waiting = [
            [self._pool.submit(self._asked, panel, target, time) for target in panel.targets]
            for panel in panels
        ]
        marks = [self._pool.submit(self._marks, each, values, time) for each in board.annotations]
        try:
            answers = [
                _gathered(panel, asked, time) for panel, asked in zip(panels, waiting, strict=True)
            ]
            return answers, [mark for each in marks for mark in _or_nothing(each.result)]
        finally:
            # Where Prometheus is away, what is left of a page does not hold up the next.
            left: Iterable[Future[Any]] = chain(marks, *waiting)
            for each in left:
                each.cancel()

    def _asked(
        self, panel: Panel, target: Mapping[str, Any], time: TimeRange
    ) -> tuple[list[Series], Sequence[Exemplar]]:
        expr = target["expr"]
        if target.get("instant"):
            series = self._prometheus.instant(expr, time.end)
        else:
            series = self._prometheus.range(expr, *time.moments(panel.points or POINTS))
        if not target.get("exemplar") or panel.kind not in _DOTTED:
            return series, ()
        return series, _or_nothing(lambda: self._prometheus.exemplars(expr, time.start, time.end))

    def _marks(
        self, annotation: Mapping[str, Any], values: Mapping[str, str], time: TimeRange
    ) -> list[Mark]:
        """Return where each series of an annotation begins."""
        start, end, step = time.moments()
        expr = filled(annotation["expr"], {**values, **time.globals()})
        title = str(annotation.get("titleFormat") or annotation["name"])
        return [
            Mark(start + at * step, _legend(title, series.labels), annotation["iconColor"])
            for series in self._prometheus.range(expr, start, end, step)
            for at, value in enumerate(series.values)
            if value is not None and at > 0 and series.values[at - 1] is None
        ]


def _filled(
    panel: Panel, values: Mapping[str, str], texts: Mapping[str, str], time: TimeRange
) -> Panel:
    """Return a panel with what the variables stand for in its queries, and in its words."""
    ours = time.globals(panel.points or POINTS)
    in_queries, in_words = {**values, **ours}, {**texts, **ours}
    return replace(
        panel,
        title=filled(panel.title, in_words),
        description=filled(panel.description, in_words),
        targets=[
            {
                **each,
                "expr": filled(each["expr"], in_queries),
                "legendFormat": filled(each.get("legendFormat") or _AUTO, in_words),
            }
            for each in panel.targets
        ],
    )


def _gathered(
    panel: Panel,
    waiting: Sequence[Future[tuple[list[Series], Sequence[Exemplar]]]],
    time: TimeRange,
) -> Answer:
    """Wait for what a panel has asked."""
    start, end, step = time.moments(panel.points or POINTS)
    answer = Answer(panel, range(start, end + 1, step))
    dots: list[Exemplar] = []
    for target, asked in zip(panel.targets, waiting, strict=True):
        try:
            found, more = asked.result()
        except UnreachableError:
            raise
        except PrometheusError as error:
            answer.problem = str(error)
            continue
        legend = target["legendFormat"]
        # The only series of the only question needs no name.
        nameless = legend == _AUTO and len(found) == 1 and len(waiting) == 1
        answer.courses += [
            Course("" if nameless else _legend(legend, each.labels), each) for each in found
        ]
        dots += more
    answer.dots = _highest(dots, answer.moments)
    return answer


def _highest(dots: Sequence[Exemplar], moments: Sequence[int]) -> list[Exemplar]:
    found: dict[int, Exemplar] = {}
    for dot in dots:
        at = int((dot.time - moments[0]) * _SLICES / max(1, moments[-1] - moments[0]))
        if at not in found or found[at].value < dot.value:
            found[at] = dot
    return list(found.values())


def _or_nothing(asked: Callable[[], Sequence[T]]) -> Sequence[T]:
    """Return what is good to have; a page does without."""
    try:
        return asked()
    except PrometheusError:
        return ()


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    if legend != _AUTO:
        return _LABEL.sub(lambda label: labels.get(label[1], ""), legend)
    shown = [value for name, value in sorted(labels.items()) if name != "__name__"]
    return " ".join(shown) or labels.get("__name__", "")
