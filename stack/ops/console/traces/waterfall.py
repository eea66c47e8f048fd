"""Traces as a person sees them: a line in a list, bars on a time axis, durations in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stack.ops.console.traces.trace import (
    Node,
    Segment,
    Trace,
    guilty,
    message,
)

MAX_ROWS = 500
# A browser still scrolls through as many, and they are made within a second or two.
MOST_ROWS = 5000
_LAST_DATE = 253_402_300_799_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A span on the time axis; offsets and widths are percent of the trace.

    `critical` are its stretches of the critical path, `held` their microseconds together.
    """

    node: Node
    colour: str
    offset: float
    width: float
    critical: Sequence[tuple[float, float]]
    held: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A trace in a line, without its spans: a list of many would not fit into memory with them.

    `start` and `duration` are microseconds, `cause` is the service in which an error began.
    """

    trace_id: str
    name: str
    start: int
    duration: int
    spans: int
    services: Sequence[str]
    errors: int
    cause: str
    reason: str

    @property
    def started(self) -> datetime:
        """When its first span started."""
        return datetime.fromtimestamp(min(self.start, _LAST_DATE) / 1_000_000, UTC)


def summary(trace: Trace) -> Summary:
    """Describe a trace in a line."""
    root, cause = trace.root.span, guilty(trace)
    return Summary(
        trace.trace_id,
        f"{root.service}: {root.operation}",
        trace.start,
        trace.end - trace.start,
        len(trace.nodes),
        list(dict.fromkeys(node.span.service for node in trace.nodes)),
        sum(node.span.failed for node in trace.nodes),
        cause.span.service if cause else "",
        message(cause.span) if cause else "",
    )


def waterfall(
    told: Summary, path: Sequence[Segment], nodes: Sequence[Node], colours: Mapping[str, str]
) -> list[Bar]:
    """Lay nodes of a trace on its time axis, each in its service's colour."""
    begin, total = told.start, max(1, told.duration)
    held: dict[int, list[Segment]] = defaultdict(list)
    for segment in path:
        held[id(segment.node)].append(segment)

    def place(start: int, end: int) -> tuple[float, float]:
        # The shortest span still has to be seen.
        width = max(0.3, 100 * (end - start) / total)
        return min(100 * (start - begin) / total, 100 - width), width

    return [
        Bar(
            node,
            colours[node.span.service],
            *place(node.span.start, node.span.end),
            [place(part.start, part.end) for part in held[id(node)]],
            sum(part.end - part.start for part in held[id(node)]),
        )
        for node in nodes
    ]


def chosen(trace: Trace, path: Sequence[Segment], limit: int = MAX_ROWS) -> Sequence[Node]:
    """Return about `limit` nodes in order: failed, critical and long ones, and their parents.

    Never more than `MOST_ROWS`: of a longer line of parents the nearest are kept.
    """
    if len(trace.nodes) <= limit:
        return trace.nodes
    critical = {id(segment.node) for segment in path}
    cause = guilty(trace)
    kept: set[int] = set()
    for node in sorted(
        trace.nodes,
        key=lambda n: (n is not cause, not n.span.failed, id(n) not in critical, -n.span.duration),
    ):
        line: Node | None = node
        while line is not None and id(line) not in kept and len(kept) < MOST_ROWS:
            kept.add(id(line))
            line = line.parent
        if len(kept) >= limit:
            break
    return [node for node in trace.nodes if id(node) in kept]


def ticks(duration: int, count: int = 5) -> list[tuple[int, str]]:
    """Return marks of a time axis: percent and time since its start."""
    return [
        (100 * i // (count - 1), shown(duration * i // (count - 1)) if i else "0")
        for i in range(count)
    ]


def percent(value: float) -> str:
    """Return a percentage, with a decimal where it is small."""
    return "< 0.1 %" if value < 0.1 else f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"


def shown(microseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    if microseconds < 1000:
        return f"{microseconds} µs"
    if microseconds < 999_500:
        return f"{microseconds / 1000:.3g} ms"
    if microseconds < 59_950_000:
        return f"{microseconds / 1_000_000:.3g} s"
    seconds = round(microseconds / 1_000_000)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
