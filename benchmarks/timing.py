"""Timing of several operations side by side."""

from __future__ import annotations

import gc
import os
import timeit
from collections.abc import Callable, Mapping
from statistics import median

Operation = Callable[[], object]

# `BENCH_QUICK=1` only shows that everything runs.
QUICK = os.environ.get("BENCH_QUICK") == "1"
ROUNDS = 3 if QUICK else 15
ROUND_SECONDS = 0.002 if QUICK else 0.05


def compare(operations: Mapping[str, Operation]) -> dict[str, float]:
    """Return the median seconds of one call of each operation.

    The rounds of all operations alternate, so that whatever else the machine does meets all alike;
    a round is as many calls as take `ROUND_SECONDS`. The garbage collector runs as it does in a
    service.
    """
    timers = {name: timeit.Timer(each, setup=gc.enable) for name, each in operations.items()}
    numbers = {name: _calls_in_a_round(timer) for name, timer in timers.items()}
    rounds: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            rounds[name].append(timer.timeit(numbers[name]) / numbers[name])
    return {name: median(times) for name, times in rounds.items()}


def _calls_in_a_round(timer: timeit.Timer) -> int:
    number = 1
    while (taken := timer.timeit(number)) < ROUND_SECONDS / 10:
        number *= 4
    return max(1, round(number * ROUND_SECONDS / taken))
