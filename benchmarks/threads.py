"""Many threads that begin together."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from threading import Barrier, Thread

from benchmarks.timing import QUICK

ROUNDS = 1 if QUICK else 7


def together(count: int, work: Callable[[], object]) -> float:
    """Return the seconds until `count` threads have done their work, all begun at once."""
    barrier = Barrier(count + 1)

    def wait_and_work() -> None:
        barrier.wait()
        work()

    threads = [Thread(target=wait_and_work) for _ in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def compare_together(count: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each kind of work; their rounds alternate."""
    rounds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            rounds[name].append(together(count, work))
    return {name: median(times) for name, times in rounds.items()}
