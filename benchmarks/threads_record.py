"""Fifty threads that record a thousand calls each."""

from __future__ import annotations

from benchmarks.figures import Benchmark, Figure
from benchmarks.peers import PlainPair
from benchmarks.threads import compare_together
from stack.metrics import PrometheusMetricsCollector

THREADS, RECORDS = 50, 1000


def run() -> Benchmark:
    """Compare with prometheus_client's histogram and counter under the same threads."""
    collector = PrometheusMetricsCollector()
    pair = PlainPair()
    total = [0, 0.0]

    def ours() -> None:
        for _ in range(RECORDS):
            collector.record_circuit_breaker_call("llm", 0.01)

    def peer() -> None:
        for _ in range(RECORDS):
            pair.observe()
            pair.count()

    def bare() -> None:
        for _ in range(RECORDS):
            total[0] += 1
            total[1] += 0.01

    seconds = compare_together(THREADS, {"ours": ours, "peer": peer, "bare": bare})
    summary = collector.get_metrics_summary("llm")
    assert summary["total_calls"] % (THREADS * RECORDS) == 0
    calls = THREADS * RECORDS
    return Benchmark(
        f"{THREADS} threads × {RECORDS:,} records",
        [
            Figure(
                "one record",
                seconds["ours"] / calls,
                bare=seconds["bare"] / calls,
                peer="prometheus_client observe + inc",
                peer_value=seconds["peer"] / calls,
                goal_ratio=1.5,
            )
        ],
        [f"No record is lost: the total is a multiple of {calls:,}."],
    )
