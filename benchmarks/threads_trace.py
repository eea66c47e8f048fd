"""Twenty threads that make a hundred traces each."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.figures import Benchmark, Figure
from benchmarks.nowhere import NoExporter
from benchmarks.threads import compare_together
from stack.tracing.export import BoundedSpanProcessor
from stack.tracing.tracer import OTelTracer

THREADS, TRACES, SPANS = 20, 100, 5


def run() -> Benchmark:
    """Compare with the SDK used by hand under the same threads."""
    provider = TracerProvider()
    provider.add_span_processor(BoundedSpanProcessor(NoExporter()))
    ours = OTelTracer(provider)
    peer_provider = TracerProvider()
    peer_provider.add_span_processor(BatchSpanProcessor(NoExporter()))
    peer = peer_provider.get_tracer("benchmark")
    seconds = compare_together(THREADS, {"ours": _ours(ours), "peer": _peer(peer)})
    kept = ours.get_completed_traces()
    assert all(len(spans) == SPANS for spans in kept)
    return Benchmark(
        f"{THREADS} threads × {TRACES} traces",
        [
            Figure(
                f"one trace of {SPANS} spans",
                seconds["ours"] / (THREADS * TRACES),
                peer="opentelemetry-sdk",
                peer_value=seconds["peer"] / (THREADS * TRACES),
                goal_ratio=1.1,
            )
        ],
        ["Every trace that is kept has all its spans, and only its own."],
    )


def _ours(tracer: OTelTracer) -> Callable[[], None]:
    def work() -> None:
        for _ in range(TRACES):
            with tracer.start_span("request"):
                for _ in range(SPANS - 1):
                    with tracer.start_span("call"):
                        pass

    return work


def _peer(tracer: trace.Tracer) -> Callable[[], None]:
    def work() -> None:
        for _ in range(TRACES):
            with tracer.start_as_current_span("request"):
                for _ in range(SPANS - 1):
                    with tracer.start_as_current_span("call"):
                        pass

    return work
