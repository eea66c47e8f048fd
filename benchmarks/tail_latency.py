"""The slowest records of one thread while fifty others record too."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import quantiles
from threading import Event, Thread

from benchmarks.figures import Benchmark, Figure
from benchmarks.peers import PlainPair
from benchmarks.timing import QUICK
from stack.metrics import PrometheusMetricsCollector

THREADS, RATE = 50, 20.0
SAMPLES = 200 if QUICK else 20_000


def run() -> Benchmark:
    """Compare the 99th percentile with prometheus_client's under the same load."""
    collector = PrometheusMetricsCollector()
    pair = PlainPair()

    def peer() -> None:
        pair.observe()
        pair.count()

    ours = _p99(lambda: collector.record_circuit_breaker_call("llm", 0.01))
    theirs = _p99(peer)
    bare = _p99(lambda: None)
    return Benchmark(
        f"p99 of a metric record under {THREADS} loaded threads",
        [
            Figure(
                "one record, p99",
                ours,
                bare=bare,
                peer="prometheus_client observe + inc",
                peer_value=theirs,
            )
        ],
        [
            f"Each of the {THREADS} threads records in bursts of 20 with pauses of {1 / RATE:g} s;"
            " bare is an empty call under the same load, which shows what the interpreter's lock"
            " alone costs."
        ],
    )


def _p99(record: Callable[[], object]) -> float:
    stop = Event()

    def load() -> None:
        while not stop.wait(1 / RATE):
            for _ in range(20):
                record()

    threads = [Thread(target=load, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    clock = time.perf_counter
    times = []
    for _ in range(SAMPLES):
        started = clock()
        record()
        times.append(clock() - started)
    stop.set()
    for thread in threads:
        thread.join()
    return quantiles(times, n=100)[98]
