"""A trace of five spans, and one span alone, sampled and not."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from benchmarks.figures import Benchmark, Figure
from benchmarks.nowhere import NoExporter
from benchmarks.timing import Operation, compare
from stack.tracing.export import BoundedSpanProcessor
from stack.tracing.tracer import OTelTracer

ATTRIBUTES: dict[str, str | int] = {"peer.service": "llm", "gen_ai.request.max_tokens": 256}


def run() -> Benchmark:
    """Compare with the SDK used by hand, its batch processor included."""
    seconds = compare(
        {
            "trace": _ours_trace(_ours(ALWAYS_ON)),
            "sdk trace": _sdk_trace(_sdk(ALWAYS_ON, BatchSpanProcessor(NoExporter()))),
            "span": _ours_span(_ours(ALWAYS_ON)),
            "service span": _sdk_span(_sdk(ALWAYS_ON, BoundedSpanProcessor(NoExporter()))),
            "sdk span": _sdk_span(_sdk(ALWAYS_ON, BatchSpanProcessor(NoExporter()))),
            "unsampled": _ours_span(_ours(ALWAYS_OFF)),
            "sdk unsampled": _sdk_span(_sdk(ALWAYS_OFF, BatchSpanProcessor(NoExporter()))),
        }
    )

    def figure(operation: str, name: str, peer: str) -> Figure:
        return Figure(
            operation,
            seconds[name],
            peer="opentelemetry-sdk",
            peer_value=seconds[peer],
            goal_ratio=1.1,
        )

    return Benchmark(
        "Trace of 5 spans",
        [
            figure("façade, root and four children, sampled", "trace", "sdk trace"),
            figure("façade, one span, sampled", "span", "sdk span"),
            figure("a service's own processor, one span, sampled", "service span", "sdk span"),
            figure("façade, one span, not sampled", "unsampled", "sdk unsampled"),
        ],
        [
            "Spans with two attributes each are made current, ended and queued for an exporter that"
            " sends nothing. The façade takes attributes of any type and keeps the last 100 traces."
        ],
    )


def _sdk(sampler: Sampler, processor: SpanProcessor) -> trace.Tracer:
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(processor)
    return provider.get_tracer("benchmark")


def _ours(sampler: Sampler) -> OTelTracer:
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(BoundedSpanProcessor(NoExporter()))
    return OTelTracer(provider)


def _ours_span(tracer: OTelTracer) -> Operation:
    def span() -> None:
        with tracer.start_span("call", ATTRIBUTES):
            pass

    return span


def _sdk_span(tracer: trace.Tracer) -> Operation:
    def span() -> None:
        with tracer.start_as_current_span("call", attributes=ATTRIBUTES):
            pass

    return span


def _ours_trace(tracer: OTelTracer) -> Operation:
    def five() -> None:
        with tracer.start_span("request", ATTRIBUTES):
            for _ in range(4):
                with tracer.start_span("call", ATTRIBUTES):
                    pass

    return five


def _sdk_trace(tracer: trace.Tracer) -> Operation:
    def five() -> None:
        with tracer.start_as_current_span("request", attributes=ATTRIBUTES):
            for _ in range(4):
                with tracer.start_as_current_span("call", attributes=ATTRIBUTES):
                    pass

    return five
