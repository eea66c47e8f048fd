"""The tracing façade: right parents, no lost span, bounded memory, Jaeger's form."""

import asyncio
import contextvars
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import StatusCode

import stack
from stack import runtime
from stack.ops.tracestore.app import create_app
from stack.ops.tracestore.settings import Settings
from stack.tracing.attributes import clean
from stack.tracing.export import CountingExporter
from stack.tracing.joining import JoiningIdGenerator
from stack.tracing.ring import TraceRing
from stack.tracing.span import EventType, Span
from stack.tracing.tracer import OTelTracer


class Hostile:
    """A value that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.fixture
def tracer() -> Iterator[OTelTracer]:
    provider = TracerProvider(
        resource=Resource({"service.name": "tested"}), id_generator=JoiningIdGenerator()
    )
    made = OTelTracer(provider)
    yield made
    made.clear_context()


def test_children_have_their_parents(tracer: OTelTracer) -> None:
    """Blocks nest; a parent can also be given."""
    with tracer.span_context("parent") as parent:
        with tracer.span_context("child") as child:
            assert tracer.get_active_span() is not None
        other = tracer.start_span("other", parent=child)
        other.end()
    assert tracer.get_active_span() is None
    spans = {span.name: span for span in tracer.get_trace(parent.trace_id)}
    assert spans["parent"].parent is None
    assert spans["child"].parent is not None
    assert spans["child"].parent.span_id == int(parent.span_id, 16)
    assert spans["other"].parent is not None
    assert spans["other"].parent.span_id == int(child.span_id, 16)


def test_an_error_is_not_taken_back(tracer: OTelTracer) -> None:
    """A success after an error leaves the error; an exception in a block is one."""
    span = tracer.start_span("work")
    tracer.record_error(span, "no luck", "LuckError", {"attempt": 2})
    tracer.end_span(span, "OK")
    with pytest.raises(ValueError, match="boom"), tracer.span_context("block"):
        raise ValueError("boom")
    failed = tracer.start_span("failed")
    failed.end(success=False)
    by_name = {s.name: s for kept in tracer.get_completed_traces() for s in kept}
    assert all(span.status.status_code is StatusCode.ERROR for span in by_name.values())
    assert (by_name["work"].attributes or {})["error.type"] == "LuckError"
    assert (by_name["work"].attributes or {})["attempt"] == 2
    assert by_name["block"].events[0].name == "exception"
    with pytest.raises(ValueError, match="must be ok or error"):
        tracer.end_span(span, "fine")


@pytest.mark.parametrize(
    "value",
    [None, 2**80, -(2**80), float("nan"), "\ud800", b"\xff", Hostile(), {"a": {1, 2}}, [1, "x"]],
)
def test_no_value_loses_a_span(tracer: OTelTracer, value: Any) -> None:
    """Whatever an attribute or event holds, the span is there, as JSON too."""
    with tracer.span_context("odd", {"value": value}) as span:
        tracer.record_event(span, EventType.CACHE_MISS, {"value": value})
        tracer.set_span_attribute(span, "again", [value, value])
    exported = json.dumps(tracer.export_jaeger_format(), allow_nan=False)
    assert '"operationName": "odd"' in exported


def test_raw_spans_with_values_that_cannot_be_encoded_are_repaired(tracer: OTelTracer) -> None:
    """A value set through OpenTelemetry's own API costs neither its span nor the batch."""
    raw = tracer.start_span("raw")
    raw.otel.set_attribute("huge", 2**80)
    raw.end()
    assert len(tracer.export_jaeger_format()["data"]) == 1

    class Strict(SpanExporter):
        sent = 0

        def export(self, spans: Any) -> SpanExportResult:
            for span in spans:
                if any(isinstance(v, int) and v > 2**63 for v in (span.attributes or {}).values()):
                    raise ValueError("out of range")
                self.sent += 1
            return SpanExportResult.SUCCESS

    strict = Strict()
    spans = tracer.get_completed_traces()[0]
    assert CountingExporter(strict, "x").export(spans) is SpanExportResult.SUCCESS
    assert strict.sent == 1


def test_traces_are_joined_with_an_applications_own_provider() -> None:
    """The façade's spans join; the ids of others stay those that the application chose."""

    class Counting(IdGenerator):
        def __init__(self) -> None:
            self.ids = iter(range(1, 100))

        def generate_span_id(self) -> int:
            return next(self.ids)

        def generate_trace_id(self) -> int:
            return next(self.ids)

    tracer = OTelTracer(TracerProvider(id_generator=Counting()))
    tracer.set_trace_context("ab" * 16)
    with tracer.span_context("joined") as joined:
        assert joined.trace_id == "ab" * 16
    tracer.clear_context()
    with tracer.span_context("own") as own:
        assert int(own.trace_id, 16) < 100


def test_jaegers_form(tracer: OTelTracer) -> None:
    """Hex ids, processes, references to the parent, typed tags."""
    with tracer.span_context("parent", {"n": 1}), tracer.span_context("child"):
        pass
    (trace,) = tracer.export_jaeger_format()["data"]
    child = next(s for s in trace["spans"] if s["operationName"] == "child")
    parent = next(s for s in trace["spans"] if s["operationName"] == "parent")
    assert len(trace["traceID"]) == 32
    assert child["references"][0]["spanID"] == parent["spanID"]
    assert trace["processes"][child["processID"]]["serviceName"] == "tested"
    assert {"key": "n", "type": "int64", "value": 1} in parent["tags"]


def test_what_is_exported_can_be_loaded_into_the_trace_store(
    tracer: OTelTracer, tmp_path: Path
) -> None:
    """It comes out again as it went in, whatever the attributes were."""
    attributes = {"n": 1, "ok": True, "half": 0.5, "any": {"a": [1, None]}}
    with (
        tracer.span_context("parent", attributes),
        suppress(ValueError),
        tracer.span_context("child") as span,
    ):
        span.add_event("retry", {"attempt": 2})
        raise ValueError("wrong")
    exported = json.loads(json.dumps(tracer.export_jaeger_format()))
    store = create_app(Settings(database_path=tmp_path / "traces.db")).test_client()
    assert store.post("/api/traces", json=exported).get_json() == {"spans": 2}
    (trace,) = exported["data"]
    assert store.get(f"/api/traces/{trace['traceID']}").get_json()["data"] == [trace]
    found = store.get("/api/traces?service=tested&operation=child").get_json()["data"]
    assert [each["traceID"] for each in found] == [trace["traceID"]]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"traceID": "xyz"}, "data.0.spans.0.traceID"),
        ({"startTime": "now"}, "data.0.spans.0.startTime"),
        ({"startTime": 2**70}, "data.0.spans.0.startTime"),
        ({"processID": "p9"}, "processID 'p9' is no process"),
        ({"tags": [{"key": "k", "type": "map", "value": 1}]}, "data.0.spans.0.tags.0.type"),
    ],
)
def test_a_file_that_is_no_jaeger_json_is_refused_by_field(
    tracer: OTelTracer, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    with tracer.span_context("one"):
        pass
    exported = tracer.export_jaeger_format()
    exported["data"][0]["spans"][0] |= change
    store = create_app(Settings(database_path=tmp_path / "traces.db")).test_client()
    answer = store.post("/api/traces", json=exported)
    assert answer.status_code == 400
    assert named in answer.text


def test_a_given_trace_is_joined_and_left(tracer: OTelTracer) -> None:
    """Spans without a parent get its id, in this thread or task only."""
    wanted = "0af7651916cd43dd8448eb211c80319c"
    tracer.set_trace_context(wanted)
    with tracer.span_context("joined") as span:
        pass
    assert span.trace_id == wanted
    seen: list[str] = []

    def elsewhere() -> None:
        with tracer.span_context("elsewhere") as other:
            seen.append(other.trace_id)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen != [wanted]
    tracer.clear_context()
    with tracer.span_context("own") as own:
        pass
    assert own.trace_id != wanted


@pytest.mark.parametrize("bad", ["", "0" * 32, "xyz", "a" * 31, "g" * 32, "+" + "1" * 31, None])
def test_what_is_no_trace_id_is_refused(tracer: OTelTracer, bad: Any) -> None:
    """The message says what one is."""
    with pytest.raises(ValueError, match="32 hex digits"):
        tracer.set_trace_context(bad)
    with pytest.raises(ValueError, match="32 hex digits"):
        tracer.get_trace(bad)


def test_asyncio_tasks_do_not_mix(tracer: OTelTracer) -> None:
    """Each task's spans are children of its own."""

    async def task(name: str) -> Span:
        with tracer.span_context(name) as outer:
            await asyncio.sleep(0)
            with tracer.span_context(f"{name} inner") as inner:
                await asyncio.sleep(0)
                assert inner.trace_id == outer.trace_id
        return outer

    async def both() -> list[Span]:
        return list(await asyncio.gather(task("a"), task("b")))

    one, two = asyncio.run(both())
    assert one.trace_id != two.trace_id
    assert len(tracer.get_completed_traces()) == 2


def test_the_ring_is_bounded(tracer: OTelTracer) -> None:
    """A hundred traces, some hundred spans each; the newest stay."""
    for number in range(150):
        with tracer.span_context(f"t{number}"):
            pass
    kept = [spans[0].name for spans in tracer.get_completed_traces()]
    assert kept == [f"t{number}" for number in range(50, 150)]
    with tracer.span_context("wide") as wide:
        for _ in range(1000):
            tracer.start_span("leaf").end()
    assert len(tracer.get_trace(wide.trace_id)) == 512
    tracer.reset()
    assert tracer.get_completed_traces() == []


def test_many_short_traces_do_not_cut_a_long_one_in_two(tracer: OTelTracer) -> None:
    """It is kept whole, however many begin and end between its first span and its last."""
    with tracer.span_context("long") as long:
        tracer.start_span("early").end()
        for _ in range(300):
            _apart(tracer)
        tracer.start_span("late").end()
    names = [span.name for span in tracer.get_trace(long.trace_id)]
    assert names == ["early", "late", "long"]


def _apart(tracer: OTelTracer) -> None:
    """Make a trace of its own, as another thread would."""
    contextvars.Context().run(lambda: tracer.start_span("short").end())


def test_a_forked_child_begins_with_no_traces() -> None:
    """Also when the fork happens while a span ends."""
    ring = TraceRing()
    provider = TracerProvider()
    provider.add_span_processor(ring)
    provider.get_tracer("t").start_span("before").end()
    with ring._lock:
        pid = os.fork()
        if pid == 0:
            provider.get_tracer("t").start_span("after").end()
            os._exit(len(ring.completed()))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1


def test_the_processs_tracer_is_one() -> None:
    """However it is asked for; it makes the service's own spans."""
    one = stack.get_otel_tracer()
    assert stack.setup_otel_tracer("other") is one
    with one.span_context("seen") as span:
        pass
    assert one.get_trace(span.trace_id)[0].name == "seen"


def test_the_state_of_the_process_is_json_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics, breakers, traces and settings in one dict."""
    stack.get_circuit_breaker("debugged").force_open()
    stack.get_prometheus_collector().record_circuit_breaker_call("debugged", 0.1)
    kept = stack.Settings(
        metrics_token="hunter2",
        traces_endpoint="http://user:hunter2@jaeger:4318/v1/traces",
        resource_attributes={"api_key": "hunter2", "team": "a"},
    )
    monkeypatch.setattr(runtime, "_runtime", runtime.Runtime("x", "1", kept))
    text = json.dumps(stack.export_debug_state(), allow_nan=False)
    assert "hunter2" not in text
    state = json.loads(text)
    assert state["settings"]["resource_attributes"]["team"] == "a"
    assert state["circuit_breakers"]["debugged"]["state"] == "open"
    assert state["metrics"]["debugged"]["total_calls"] == 1
    assert set(state) == {"service", "version", "settings", "metrics", "circuit_breakers", "traces"}
    stack.get_circuit_breaker("debugged").reset()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(value=values)
def test_every_clean_value_is_an_attribute(value: Any) -> None:
    """Of a type that OpenTelemetry takes, encodable as UTF-8 and in 64 bits."""
    cleaned = clean(value)
    each = cleaned if isinstance(cleaned, list) else [cleaned]
    for one in each:
        assert isinstance(one, (bool, int, float, str, bytes))
        if isinstance(one, str):
            one.encode("utf-8")
        if isinstance(one, int):
            assert abs(one) < 2**63


@settings(max_examples=100, deadline=None)
@given(moves=st.lists(st.sampled_from(["open", "close", "leaf", "fail"]), max_size=30))
def test_span_trees_are_well_formed(moves: list[str]) -> None:
    """Whatever the order of calls: one root, each parent there, children within their parents."""
    provider = TracerProvider()
    tracer = OTelTracer(provider)
    root = tracer.start_span("root").__enter__()
    open_spans = [root]
    for move in moves:
        if move == "open":
            open_spans.append(tracer.start_span("inner").__enter__())
        elif move == "leaf":
            tracer.start_span("leaf").end()
        elif move == "fail":
            open_spans[-1].record_error("x")
        elif len(open_spans) > 1:
            open_spans.pop().__exit__(None, None, None)
    while open_spans:
        open_spans.pop().__exit__(None, None, None)
    (spans,) = tracer.get_completed_traces()
    assert_well_formed(spans)


def assert_well_formed(spans: list[ReadableSpan]) -> None:
    by_id = {span.context.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert [span.name for span in spans if span.parent is None] == ["root"]
    for span in spans:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
        if span.parent is not None:
            parent = by_id[span.parent.span_id]
            assert (parent.start_time or 0) <= span.start_time
            assert span.end_time <= (parent.end_time or 0)
