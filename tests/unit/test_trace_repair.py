"""What has no text, or none in UTF-8, costs no span, no batch and no exception but itself."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, StatusCode

from stack.tracing import events
from stack.tracing.export import CountingExporter
from stack.tracing.tracer import OTelTracer


class Hostile(Exception):  # noqa: N818
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.fixture
def tracer() -> OTelTracer:
    return OTelTracer(TracerProvider())


@pytest.fixture
def counted_spans() -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    unsubscribe = events.subscribe(lambda outcome, spans: counts.update({outcome: spans}))
    yield counts
    unsubscribe()


@pytest.mark.parametrize("error", [Hostile(), ValueError("\udcff")], ids=["no text", "no UTF-8"])
def test_an_exception_comes_out_of_its_span_as_it_is(tracer: OTelTracer, error: Exception) -> None:
    """Whatever its text does: it is recorded with message and stack, and raised on."""
    with pytest.raises(type(error)) as caught, tracer.span_context("work"):
        raise error
    assert caught.value is error
    ((span,),) = tracer.get_completed_traces()
    event = span.events[0].attributes or {}
    assert str(event["exception.message"]).isascii()
    assert "Traceback" in str(event["exception.stacktrace"])
    assert span.status.status_code is StatusCode.ERROR


def test_texts_without_utf8_cost_no_batch(counted_spans: Counter[str]) -> None:
    """Not in a status, a link, a resource or a scope; what cannot be repaired costs itself only."""
    provider = TracerProvider(resource=Resource({"service.name": "tested", "bad": "\udcff"}))
    tracer = OTelTracer(provider)
    raw = provider.get_tracer("third.party\udcff", "\udcff")
    raw.start_span("linked", links=[Link(SpanContext(1, 2, False), {"k": "\udcff"})]).end()
    with pytest.raises(FileNotFoundError), raw.start_as_current_span("failed"):
        raise FileNotFoundError("bad\udcff.txt")
    raw.start_span("good").end()
    spans = [span for kept in tracer.get_completed_traces() for span in kept]
    hopeless = ReadableSpan("hopeless", spans[0].context, start_time=-(2**70), end_time=0)
    sent: list[str] = []

    class Encoding(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            encode_spans(spans)
            sent.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    CountingExporter(Encoding(), "anywhere").export([hopeless, *spans])
    assert sent == ["linked", "failed", "good"]
    assert counted_spans == {"exported": 3, "failed": 1}
    assert len(tracer.export_jaeger_format()["data"]) == 3
