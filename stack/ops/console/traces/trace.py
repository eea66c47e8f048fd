"""A trace and what is read out of it: its tree, its critical path, where its error began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in a span; `at` is microseconds after the span's start."""

    at: int
    name: str
    fields: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span; times are microseconds."""

    span_id: str
    parent_id: str
    service: str
    operation: str
    start: int
    duration: int
    tags: Sequence[tuple[str, str]] = ()
    events: Sequence[Event] = ()
    process: Sequence[tuple[str, str]] = ()
    failed: bool = False

    @property
    def end(self) -> int:
        """When it ended."""
        return self.start + self.duration


@dataclass(eq=False, slots=True)
class Node:
    """A span in the tree; the spans at the top have no parent and depth 0."""

    span: Span
    parent: Node | None = None
    depth: int = 0
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace's spans in the order of the tree; there is at least one.

    `root` began it, or is the earliest at the top when that is missing; `start` is that of the
    first span and `end` that of the last. A page asks for them once a bar.
    """

    trace_id: str
    nodes: Sequence[Node]
    root: Node
    start: int
    end: int

    def fell(self) -> None:
        """Part the nodes; they hold one another, so that else only a collection frees them."""
        for node in self.nodes:
            node.parent = None
            node.children.clear()


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which a span held its trace up; times are microseconds."""

    node: Node
    start: int
    end: int


def grow(trace_id: str, spans: Iterable[Span]) -> Trace:
    """Order spans as a tree, children by their start; orphans stand at the top."""
    nodes = [Node(span) for span in sorted(spans, key=lambda span: span.start)]
    known = {node.span.span_id for node in nodes}
    offspring: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        offspring[node.span.parent_id].append(node)
    tops = [node for node in nodes if node.span.parent_id not in known]
    placed: dict[int, Node] = {}
    # Spans that are their own ancestors hang on no top: such a ring begins at its earliest.
    for top in [*tops, *nodes]:
        waiting: list[tuple[Node, Node | None]] = [(top, None)]
        while waiting:
            node, parent = waiting.pop()
            if id(node) in placed:
                continue
            placed[id(node)] = node
            if parent is not None:
                node.parent, node.depth = parent, parent.depth + 1
                parent.children.append(node)
            waiting += [(child, node) for child in reversed(offspring.pop(node.span.span_id, []))]
    return Trace(
        trace_id,
        list(placed.values()),
        min(
            (node for node in nodes if node.parent is None),
            key=lambda node: (node.span.parent_id != "", node.span.start),
        ),
        nodes[0].span.start,
        max(node.span.end for node in nodes),
    )


def critical_path(root: Node) -> list[Segment]:
    """Return what the root waited for, from its end back to its start.

    At each moment that is the child which ended last before it, and within the child the same; a
    child is cut to its parent's time. The segments lie end to end and fill the root's time.
    """
    path: list[Segment] = []
    moment = root.span.end
    stack = [_enter(root, root.span.start, root.span.end)]
    while stack:
        node, start, waiting = stack[-1]
        while waiting and waiting[-1][1] > moment:
            waiting.pop()
        since = waiting[-1][1] if waiting else start
        if moment > since:
            path.append(Segment(node, since, moment))
            moment = since
        if waiting:
            stack.append(_enter(*waiting.pop()[2]))
        else:
            stack.pop()
    return path


_Inside = tuple[int, int, tuple[Node, int, int]]


def _enter(node: Node, start: int, end: int) -> tuple[Node, int, list[_Inside]]:
    """Return a span's part of time with its children's parts, the last to end at the end."""
    inside = []
    for child in node.children:
        begins, ends = max(child.span.start, start), min(child.span.end, end)
        if begins < ends:
            inside.append((begins, ends, (child, begins, ends)))
    return node, start, sorted(inside, key=lambda part: part[1])


def shares(path: Sequence[Segment]) -> list[tuple[str, float]]:
    """Return each service's percentage of the path's time, the largest first."""
    times: dict[str, int] = defaultdict(int)
    for segment in path:
        times[segment.node.span.service] += segment.end - segment.start
    total = sum(times.values())
    return sorted(((name, 100 * t / total) for name, t in times.items()), key=lambda s: -s[1])


def guilty(trace: Trace) -> Node | None:
    """Return the span in which the error began: the deepest one in a chain of failed spans.

    The chain starts at the root or, when that is well, at the highest span that failed; of several
    that are as deep, the earliest is meant.
    """
    root = trace.root
    failed = [node for node in trace.nodes if node.span.failed]
    heads = [node for node in failed if node.parent is None or not node.parent.span.failed]
    if not heads:
        return None
    chain = [min(heads, key=lambda node: (node is not root, node.depth, node.span.start))]
    for node in chain:
        chain += [child for child in node.children if child.span.failed]
    return min(chain, key=lambda node: (-node.depth, node.span.start))


def message(span: Span) -> str:
    """Return what a failed span says of its error."""
    for event in reversed(span.events):
        said = dict(event.fields)
        parts = [said.get("exception.type", ""), said.get("exception.message", "")]
        if any(parts):
            return ": ".join(filter(None, parts))
    tags = dict(span.tags)
    reason = tags.get("otel.status_description") or tags.get("error.type", "")
    status = tags.get("http.response.status_code") or tags.get("http.status_code")
    # An answer of 5xx has its number for a type.
    if status and reason in {"", status}:
        return f"HTTP {status}"
    return reason or "no message"


def oddities(trace: Trace) -> list[str]:
    """Say what about the trace's form is not as it should be."""
    known = {node.span.span_id for node in trace.nodes}
    tops = [node.span for node in trace.nodes if node.parent is None and node.span.parent_id]
    orphans = sum(span.parent_id not in known for span in tops)
    early = sum(
        node.parent is not None and node.span.start < node.parent.span.start for node in trace.nodes
    )
    found = [
        (orphans, "the parent is missing: not arrived yet, lost or too old"),
        (len(tops) - orphans, "the parents form a ring, drawn from its earliest span"),
        (early, "started before the parent: the clocks of their hosts differ"),
    ]
    return [f"{count} span{'s' * (count > 1)}: {what}." for count, what in found if count]
