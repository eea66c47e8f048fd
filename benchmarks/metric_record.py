"""Recording one call of a component: counted, timed, with an exemplar where there is a span."""

from __future__ import annotations

import os
import tempfile

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import values
from prometheus_client.values import MultiProcessValue

from benchmarks.figures import Benchmark, Figure
from benchmarks.peers import PlainPair
from benchmarks.timing import Operation, compare
from stack.metrics import PrometheusMetricsCollector, multiprocess
from stack.metrics.instruments import exemplar


def run() -> Benchmark:
    """Compare with prometheus_client's histogram and counter, labels given beforehand."""
    memory = PlainPair()
    ours = _ours()
    total = [0, 0.0]

    def bare() -> None:
        total[0] += 1
        total[1] += 0.01

    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        values.ValueClass = MultiProcessValue()
        shared = PlainPair()
        multiprocess.install()
        shared_ours = _ours()
        multiprocess.open_directory()
        try:
            seconds = compare(
                {
                    "bare": bare,
                    "ours": ours,
                    "histogram": memory.observe,
                    "counter": memory.count,
                    "shared ours": shared_ours,
                    "shared histogram": shared.observe,
                    "shared counter": shared.count,
                }
            )
            tracer = TracerProvider().get_tracer("benchmark")
            with trace.use_span(tracer.start_span("call")):
                labels = exemplar() or {}
                in_span = compare(
                    {
                        "ours": ours,
                        "shared ours": shared_ours,
                        "peer": lambda: memory.observe_with(labels),
                    }
                )
        finally:
            multiprocess.close_directory()

    with_exemplar = in_span["peer"] + seconds["counter"]
    one = seconds["histogram"] + seconds["counter"]
    many = seconds["shared histogram"] + seconds["shared counter"]

    def figure(operation: str, value: float, peer: float, goal: float | None = None) -> Figure:
        return Figure(
            operation,
            value,
            bare=seconds["bare"],
            peer="prometheus_client observe + inc",
            peer_value=peer,
            goal_ratio=goal,
        )

    return Benchmark(
        "Metric record",
        [
            figure("`record_circuit_breaker_call`", seconds["ours"], one, 1.5),
            figure("the same, several workers", seconds["shared ours"], many, 1.5),
            figure(
                "the same in a sampled span: with exemplar", in_span["ours"], with_exemplar, 1.5
            ),
            figure("the same, several workers, with exemplar", in_span["shared ours"], many),
        ],
        [
            "Beside the two series, ours keeps totals and the last 1,000 latencies for percentiles"
            " and looks for a span; the peer's multiprocess mode drops exemplars."
        ],
    )


def _ours() -> Operation:
    collector = PrometheusMetricsCollector()
    collector.record_circuit_breaker_call("llm", 0.01)
    return lambda: collector.record_circuit_breaker_call("llm", 0.01)
