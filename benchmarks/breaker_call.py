"""A call through a closed breaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiobreaker
import circuitbreaker
import pybreaker
from purgatory import SyncCircuitBreakerFactory

import stack
from benchmarks.figures import Benchmark, Figure
from benchmarks.timing import compare

WINDOW = 100


def run() -> Benchmark:
    """Compare calls and decorated functions; without listeners, as the peers have none."""

    def guarded() -> int:
        return 1

    windowed = stack.CircuitBreaker("windowed", failure_ratio=0.5, window_size=WINDOW)
    timed = stack.CircuitBreaker("timed", failure_ratio=0.5, window_seconds=10.0)
    decorated = windowed(guarded)
    peer = circuitbreaker.CircuitBreaker(name="peer")
    peer_decorated = peer(guarded)
    purgatory = SyncCircuitBreakerFactory()("peer")(guarded)
    aio = aiobreaker.CircuitBreaker()
    py = pybreaker.CircuitBreaker()
    listened = stack.CircuitBreaker("listened", failure_ratio=0.5, listeners=(lambda _: None,))

    seconds = compare(
        {
            "bare": guarded,
            "decorated": decorated,
            "call": lambda: windowed.call(guarded),
            "call, time window": lambda: timed.call(guarded),
            "call, one listener": lambda: listened.call(guarded),
            "circuitbreaker": peer_decorated,
            "circuitbreaker call": lambda: peer.call(guarded),
            "purgatory": purgatory,
            "aiobreaker": lambda: aio.call(guarded),
            "pybreaker": lambda: py.call(guarded),
        }
    )
    bare = seconds["bare"]

    def figure(operation: str, name: str, peer_name: str, goal: float | None = None) -> Figure:
        return Figure(
            operation,
            seconds[name],
            bare=bare,
            peer=peer_name,
            peer_value=seconds[peer_name],
            goal_ratio=goal,
        )

    return Benchmark(
        "Breaker call, closed",
        [
            figure("decorated function, count window", "decorated", "circuitbreaker", 1.0),
            figure("decorated function, count window", "decorated", "purgatory"),
            figure("`call`, count window", "call", "circuitbreaker call"),
            figure("`call`, count window", "call", "aiobreaker"),
            figure("`call`, count window", "call", "pybreaker"),
            figure("`call`, time window", "call, time window", "circuitbreaker call"),
            figure("`call`, count window, one listener", "call, one listener", "circuitbreaker"),
            *_async(windowed),
        ],
        [f"The count window holds the last {WINDOW} calls; `circuitbreaker` has no window."],
    )


def _async(breaker: stack.CircuitBreaker) -> list[Figure]:
    async def guarded() -> int:
        return 1

    peer = circuitbreaker.CircuitBreaker(name="async peer")
    times = asyncio.run(_loops(guarded, breaker(guarded), peer(guarded)))
    return [
        Figure(
            "decorated coroutine function, count window",
            times[1],
            bare=times[0],
            peer="circuitbreaker",
            peer_value=times[2],
        )
    ]


async def _loops(*functions: Callable[[], object]) -> list[float]:
    best = [float("inf")] * len(functions)
    for _ in range(9):
        for at, function in enumerate(functions):
            started = time.perf_counter()
            for _ in range(5000):
                await function()  # type: ignore[misc]
            best[at] = min(best[at], (time.perf_counter() - started) / 5000)
    return best
