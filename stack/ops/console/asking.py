"""What all panels of a page ask Prometheus, at the same time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

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

_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_AUTO = "__auto"
# In each of so many slices of the time the highest dot is kept; of more nobody can click one.
_SLICES = 48
# The types that show exemplars.
_DOTTED = {"timeseries", "heatmap"}

# What a legend says, and the series that are waited for.
_Found = tuple[str, Future[list[Series]]]


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
        panel: that asked.
        moments: Unix seconds of the values.
        courses: its series.
        dots: its exemplars.
        problem: why something is missing.
        queries: what was asked, with the variables' values.
    """

    panel: Panel
    moments: Sequence[int] = ()
    courses: list[Course] = field(default_factory=list)
    dots: list[Exemplar] = field(default_factory=list)
    problem: str = ""
    queries: list[str] = field(default_factory=list)


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
        waiting = [self._asked(panel, values, texts, time) for panel in board.panels]
        marks = [self._pool.submit(self._marks, each, values, time) for each in board.annotations]
        try:
            answers = [_gathered(*each) for each in waiting]
            return answers, [mark for each in marks for mark in _or_nothing(each)]
        finally:
            # Where Prometheus is away, what is left of a page does not hold up the next.
            left: list[Future[Any]] = [*marks]
            for _, series, dots in waiting:
                left += [*(asked for _, asked in series), *dots]
            for each in left:
                each.cancel()

    def _asked(
        self,
        panel: Panel,
        values: Mapping[str, str],
        texts: Mapping[str, str],
        time: TimeRange,
    ) -> tuple[Answer, list[_Found], list[Future[list[Exemplar]]]]:
        points = panel.points or POINTS
        ours = time.globals(points)
        start, end, step = time.moments(points)
        panel = replace(
            panel, title=filled(panel.title, texts), description=filled(panel.description, texts)
        )
        answer = Answer(panel, range(start, end + 1, step))
        series, dots = [], []
        for target in panel.targets:
            expr = filled(target["expr"], {**values, **ours})
            answer.queries.append(expr)
            if target.get("instant"):
                asked = self._pool.submit(self._prometheus.instant, expr, time.end)
            else:
                asked = self._pool.submit(self._prometheus.range, expr, start, end, step)
            legend = filled(target.get("legendFormat") or _AUTO, {**texts, **ours})
            series.append((legend, asked))
            if target.get("exemplar") and panel.kind in _DOTTED:
                dots.append(
                    self._pool.submit(self._prometheus.exemplars, expr, time.start, time.end)
                )
        return answer, series, dots

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


def _gathered(
    answer: Answer, series: Sequence[_Found], dots: Sequence[Future[list[Exemplar]]]
) -> Answer:
    """Wait for what a panel has asked."""
    for legend, asked in series:
        try:
            found = asked.result()
        except UnreachableError:
            raise
        except PrometheusError as error:
            answer.problem = str(error)
            continue
        # The only series of the only question needs no name.
        nameless = legend == _AUTO and len(found) == 1 and len(series) == 1
        answer.courses += [
            Course("" if nameless else _legend(legend, each.labels), each) for each in found
        ]
    answer.dots = _highest([dot for each in dots for dot in _or_nothing(each)], answer.moments)
    return answer


def _highest(dots: Sequence[Exemplar], moments: Sequence[int]) -> list[Exemplar]:
    found: dict[int, Exemplar] = {}
    for dot in dots:
        at = int((dot.time - moments[0]) * _SLICES / max(1, moments[-1] - moments[0]))
        if at not in found or found[at].value < dot.value:
            found[at] = dot
    return list(found.values())


def _or_nothing(asked: Future[Any]) -> Any:
    """Return what is good to have; a page does without."""
    try:
        return asked.result()
    except PrometheusError:
        return ()


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    if legend != _AUTO:
        return _LABEL.sub(lambda label: labels.get(label[1], ""), legend)
    shown = [value for name, value in sorted(labels.items()) if name != "__name__"]
    return " ".join(shown) or labels.get("__name__", "")
