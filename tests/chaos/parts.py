"""What the scenarios in process have in common: one clock, real breakers, real series."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest

from stack.breaker import CircuitBreaker
from stack.breaker.events import Event, StateChanged, broadcast
from stack.metrics import PrometheusMetricsCollector, on_breaker
from stack.ops.chaos.counts import BREAKER_CALLS, TRANSITIONS, Counts
from tests.unit.breaker_parts import Clock, DownError, fail

# When, whose breaker, from which state, to which.
Moment = tuple[float, str, str, str]
WAIT = 10.0


class World:
    """Breakers on one hand-moved clock, which begins at 0, and what they tell the metrics."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.clock.now = 0.0
        self.collector = PrometheusMetricsCollector()
        self.time_line: list[Moment] = []
        self.reasons: list[str] = []
        monkeypatch.setattr(on_breaker, "get_prometheus_collector", lambda: self.collector)
        # What other tests have set up does not count here.
        monkeypatch.setattr(broadcast, "listeners", (on_breaker.listen, self._note))

    def breaker(self, name: str, **options: Any) -> CircuitBreaker:
        """Return a breaker; by default three failures open it for `WAIT` seconds."""
        defaults: dict[str, Any] = {"failure_threshold": 3, "timeout_seconds": WAIT}
        return CircuitBreaker(name, clock=self.clock, **{**defaults, **options})

    def series(self) -> Counts:
        """Return what a scrape would find."""
        return Counts.parse(self.collector.export_prometheus_format())

    def calls(self, component: str) -> dict[str, float]:
        """Return the calls by outcome, as the metric has them."""
        counts = self.series()
        outcomes = ("success", "failure", "rejected")
        return {o: counts.total(BREAKER_CALLS, component=component, outcome=o) for o in outcomes}

    def transitions(self, component: str) -> float:
        """Return how many changes of state the metric has."""
        return self.series().total(TRANSITIONS, component=component)

    def state(self, component: str) -> str:
        """Return the one state that the metric shows."""
        (state,) = (
            labels["state"]
            for name, labels, value in self.series().samples
            if name == "circuit_breaker_state" and labels["component"] == component and value == 1
        )
        return state

    def _note(self, event: Event) -> None:
        if isinstance(event, StateChanged):
            moment = (self.clock.now, event.component, event.from_state, event.to_state)
            self.time_line.append(moment)
            self.reasons.append(event.reason)


class Service:
    """A service that can be failed at will, and counts what reaches it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.failing = False
        self.reached = 0

    def __call__(self) -> str:
        self.reached += 1
        self._clock.now += self.seconds
        if self.failing:
            fail()
        return "answer"


def fallback(_: BaseException) -> str:
    """What is answered instead."""
    return "fallback"


def together(threads: int, work: Callable[[], None]) -> None:
    """Do the same on so many threads, which begin at the same time."""
    begin = Barrier(threads)

    def run() -> None:
        begin.wait()
        work()

    running = [Thread(target=run) for _ in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()


__all__ = ["WAIT", "DownError", "Moment", "Service", "World", "fallback", "together"]
