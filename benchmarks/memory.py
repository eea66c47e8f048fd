"""What is kept in memory, and that it stops growing."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable

from opentelemetry.sdk.trace import TracerProvider

import stack
from benchmarks.figures import Benchmark, Figure
from benchmarks.timing import QUICK
from stack.metrics import PrometheusMetricsCollector
from stack.tracing.tracer import OTelTracer

RATE = 1000
SECONDS = 0.5 if QUICK else 10.0
WARM_UP_SECONDS = 0.2 if QUICK else 3.0


def run() -> Benchmark:
    """Measure with tracemalloc what each kind of thing holds."""
    tracemalloc.start()
    return Benchmark(
        "Memory",
        [
            Figure(
                f"growth in {SECONDS:g} s at {RATE:,} operations/s, after warm-up",
                _growth(),
                "B",
                goal_value=10_000,
            ),
            Figure("one component, 1,000 samples", _component(), "B", goal_value=1e6),
            Figure("100 traces of 5 spans", _traces(), "B", goal_value=10e6),
            Figure("one breaker, window of 100 calls", _breaker(), "B", goal_value=100e3),
        ],
        [
            "An operation is a breaker call with its metrics in a span of its own. Python's own"
            " caches move by a few kilobytes either way; that is the goal's margin."
        ],
    )


def _held(make: Callable[[], object]) -> float:
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    kept = make()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    del kept
    return after - before


def _component() -> float:
    collector = PrometheusMetricsCollector()

    def make() -> None:
        for number in range(1000):
            collector.record_circuit_breaker_call("llm", number / 7)

    return _held(make)


def _traces() -> float:
    tracer = OTelTracer(TracerProvider())
    _trace(tracer)
    tracer.reset()

    def make() -> None:
        for _ in range(100):
            _trace(tracer)

    return _held(make)


def _trace(tracer: OTelTracer) -> None:
    with tracer.start_span("request", {"http.route": "/ask"}):
        for _ in range(4):
            with tracer.start_span("call", {"peer.service": "llm"}):
                pass


def _breaker() -> float:
    def make() -> list[stack.CircuitBreaker]:
        breakers = [
            stack.CircuitBreaker(f"breaker-{number}", failure_ratio=0.5) for number in range(10)
        ]
        for breaker in breakers:
            for _ in range(200):
                breaker.call(int)
        return breakers

    return _held(make) / 10


def _growth() -> float:
    collector = PrometheusMetricsCollector()
    tracer = OTelTracer(TracerProvider())
    breaker = stack.CircuitBreaker("held", failure_ratio=0.5)

    def operation() -> None:
        with tracer.start_span("request"):
            breaker.call(int)
            collector.record_circuit_breaker_call("llm", 0.01)

    _at_rate(operation, WARM_UP_SECONDS)
    return _held(lambda: _at_rate(operation, SECONDS))


def _at_rate(operation: Callable[[], object], seconds: float) -> None:
    started = time.perf_counter()
    done = 0
    while (passed := time.perf_counter() - started) < seconds:
        due = int(passed * RATE)
        while done < due:
            operation()
            done += 1
        time.sleep(0.001)
