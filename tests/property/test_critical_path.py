"""A critical path covers its root's time once, whatever the tree of spans."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.ops.console.traces.trace import Node, Span, critical_path, grow, shares
from stack.ops.console.traces.waterfall import chosen, summary, waterfall

SERVICES = ("gateway", "retrieval", "llm")


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    """Spans of any time whose parents are any of them, missing or themselves."""
    count = draw(st.integers(1, 12))
    times = st.integers(0, 50)
    ids = [f"{number}" for number in range(count)]
    parents = st.sampled_from(["", "missing", *ids])
    return [
        Span(each, draw(parents), draw(st.sampled_from(SERVICES)), "op", draw(times), draw(times))
        for each in ids
    ]


@st.composite
def nested_spans(draw: st.DrawFn) -> list[Span]:
    """Spans that lie inside their parents; the first is the root."""
    made = [Span("0", "", "gateway", "op", 1000, draw(st.integers(0, 200)))]
    for number in range(1, draw(st.integers(1, 15))):
        parent = draw(st.sampled_from(made))
        start = draw(st.integers(parent.start, parent.end))
        duration = draw(st.integers(0, parent.end - start))
        service = draw(st.sampled_from(SERVICES))
        made.append(Span(f"{number}", parent.span_id, service, "op", start, duration))
    return made


def line(node: Node) -> list[Node]:
    """A node and its ancestors."""
    return [node] if node.parent is None else [node, *line(node.parent)]


@given(any_spans())
def test_every_span_is_in_the_tree_once(spans: list[Span]) -> None:
    """Orphans and rings too; a parent stands before its children."""
    nodes = grow("1", spans).nodes
    assert sorted(node.span.span_id for node in nodes) == sorted(span.span_id for span in spans)
    order = {id(node): number for number, node in enumerate(nodes)}
    for node in nodes:
        assert len(line(node)) == node.depth + 1
        assert node.parent is None or order[id(node.parent)] < order[id(node)]


@given(any_spans())
def test_segments_fill_the_roots_time_end_to_end(spans: list[Span]) -> None:
    """From its end back to its start: no gap, no overlap, each inside the span it belongs to."""
    root = grow("1", spans).root
    path = critical_path(root)
    moment = root.span.end
    for segment in path:
        assert segment.start < segment.end == moment
        assert segment.node.span.start <= segment.start
        assert segment.end <= segment.node.span.end
        assert root in line(segment.node)
        moment = segment.start
    assert moment == root.span.start


@given(nested_spans())
def test_nested_spans_share_the_roots_duration(spans: list[Span]) -> None:
    """All of it, and nothing beyond it."""
    trace = grow("1", spans)
    path = critical_path(trace.root)
    assert sum(each.end - each.start for each in path) == trace.end - trace.start
    if path:
        assert abs(sum(percent for _, percent in shares(path)) - 100) < 1e-6


@given(nested_spans())
def test_a_span_holds_up_its_parent_only_while_no_child_does(spans: list[Span]) -> None:
    """In a segment of a span, no child of it that is on the path runs."""
    path = critical_path(grow("1", spans).root)
    on_path = {id(each.node) for each in path}
    for segment in path:
        for child in segment.node.children:
            if id(child) in on_path:
                assert child.span.end <= segment.start or segment.end <= child.span.start


@given(any_spans(), st.integers(1, 12))
@settings(max_examples=200)
def test_bars_stay_on_the_axis_and_keep_their_ancestors(spans: list[Span], limit: int) -> None:
    """However few of them are shown."""
    trace = grow("1", spans)
    path = critical_path(trace.root)
    nodes = chosen(trace, path, limit)
    assert all(node.parent is None or node.parent in nodes for node in nodes)
    for bar in waterfall(summary(trace), path, nodes, dict.fromkeys(SERVICES, "#000000")):
        for offset, width in [(bar.offset, bar.width), *bar.critical]:
            assert offset >= 0
            assert width > 0
            assert offset + width <= 100.0001
