"""An exporter's outage is bounded, counted, said once, and never felt by who makes spans."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stack.tracing import events
from stack.tracing.export import BoundedSpanProcessor, CountingExporter


@pytest.fixture
def counted() -> Iterator[Counter[str]]:
    """What became of the spans of this test."""
    counts: Counter[str] = Counter()

    def count(outcome: str, spans: int) -> None:
        counts[outcome] += spans

    unsubscribe = events.subscribe(count)
    yield counts
    unsubscribe()


class Collector:
    """A trace collector that answers when it is let."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.answers = Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not collector.answers.wait(20):
                    return
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.names += [span.name for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.answers.set()
    made.server.shutdown()
    made.server.server_close()


def test_a_hanging_collector_costs_nothing_but_its_spans(
    collector: Collector, counted: Counter[str]
) -> None:
    """Every span is counted once: sent, failed or dropped; stopping takes its deadline at most."""
    exporter = CountingExporter(OTLPSpanExporter(endpoint=collector.url, timeout=30), "hanging")
    processor = BoundedSpanProcessor(
        exporter,
        shutdown_timeout=0.3,
        max_queue_size=20,
        max_export_batch_size=10,
        schedule_delay_millis=50,
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")

    def work() -> None:
        for _ in range(50):
            tracer.start_span("span").end()

    threads = [Thread(target=work) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stopping = time.monotonic()
    provider.shutdown()
    stopped = time.monotonic()
    # The exporter would have hung for its 30 seconds.
    assert stopping - began < 10
    assert stopped - stopping < 10
    # The batch under way is still the exporter's; it gets its answer now.
    collector.answers.set()
    deadline = time.monotonic() + 20
    while counted.total() < 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counted.total() == 200
    assert counted["dropped"] >= 200 - 20 - 10
    tracer.start_span("late").end()
    assert counted["dropped"] + counted["exported"] + counted["failed"] == 201


def test_an_outage_is_said_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture, counted: Counter[str]
) -> None:
    """One line when it begins, one when it ends, whatever the exporter does in between."""

    class Moody(SpanExporter):
        mood: SpanExportResult | None = SpanExportResult.SUCCESS

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if self.mood is None:
                raise ConnectionError("down")
            return self.mood

    moody = Moody()
    exporter = CountingExporter(moody, "http://user:hunter2@jaeger:4318")
    with caplog.at_level(logging.WARNING):
        for mood in (SpanExportResult.SUCCESS, None, SpanExportResult.FAILURE, None):
            moody.mood = mood
            exporter.export([])
        moody.mood = SpanExportResult.SUCCESS
        exporter.export([])
        exporter.export([])
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "by http://[redacted]@jaeger:4318 (ConnectionError: down)" in messages[0]
    assert "accepted again" in messages[1]


def test_a_forked_child_sends_its_own_spans_and_not_its_parents(collector: Collector) -> None:
    """What the parent has queued is sent once, by the parent."""
    collector.answers.set()
    exporter = CountingExporter(OTLPSpanExporter(endpoint=collector.url, timeout=5), "up")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(exporter, schedule_delay_millis=60_000))
    tracer = provider.get_tracer("test")
    tracer.start_span("parent").end()
    child = os.fork()
    if not child:
        tracer.start_span("child").end()
        provider.shutdown()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert collector.names == ["child"]
    provider.shutdown()
    assert collector.names == ["child", "parent"]
