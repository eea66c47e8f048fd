"""What is known about one component: its series and the numbers of its summary."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stack.metrics.bound import BoundHistogram, bound_counter
from stack.metrics.instruments import DURATION_BUCKETS, exemplar

STATES = ("closed", "open", "half_open")
OUTCOMES = ("success", "failure", "rejected")


class ComponentSeries:
    """The metric families that have a `component` label, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "circuit_breaker_calls_total",
            "Calls through a circuit breaker by outcome.",
            ("component", "outcome"),
            registry=registry,
        )
        self.duration = Histogram(
            "circuit_breaker_call_duration_seconds",
            "Time of calls that a circuit breaker let through.",
            ("component",),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.state = Gauge(
            "circuit_breaker_state",
            "1 for the state the breaker is in, 0 for the others.",
            ("component", "state"),
            # Workers share a breaker's state, so the last one to change it knows it.
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.transitions = Counter(
            "circuit_breaker_transitions_total",
            "Changes of a circuit breaker's state.",
            ("component", "from_state", "to_state"),
            registry=registry,
        )
        self.logs = Counter(
            "log_entries_total",
            "Log records by level.",
            ("component", "level"),
            registry=registry,
        )

    def forget(self, component: str) -> None:
        """Drop every series of one component; they begin again at zero."""
        for family in (self.calls, self.duration, self.state, self.transitions, self.logs):
            family.remove_by_labels({"component": component})


@dataclass(slots=True)
class Totals:
    """Counts and times since the start or the last reset; seconds."""

    successes: int = 0
    failures: int = 0
    latency_sum: float = 0.0
    latency_min: float = math.inf
    latency_max: float = 0.0
    last_failure_time: float | None = None

    @property
    def calls(self) -> int:
        """Calls that were made, whatever came of them."""
        return self.successes + self.failures

    def add(self, latency: float, success: bool) -> None:
        """Add one call."""
        if success:
            self.successes += 1
        else:
            self.failures += 1
            self.last_failure_time = time.time()
        self.latency_sum += latency
        # Written out: half the cost of min() and max().
        self.latency_min = min(self.latency_min, latency)
        self.latency_max = max(self.latency_max, latency)


class Component:
    """One component's bound series, totals and recent latencies. Thread-safe."""

    def __init__(self, name: str, series: ComponentSeries, max_samples: int) -> None:
        self.name = name
        self.state = "closed"
        self._totals = Totals()
        self._series = series
        self._latencies: deque[float] = deque(maxlen=max_samples)
        self._lock = Lock()
        self._calls = {
            outcome: bound_counter(series.calls.labels(name, outcome)) for outcome in OUTCOMES
        }
        self._duration = BoundHistogram(series.duration.labels(name))
        self._states = {state: series.state.labels(name, state) for state in STATES}

    def renew_lock(self) -> None:
        """Replace a lock that another thread may have held at the fork."""
        self._lock = Lock()

    def record_call(self, latency: float, success: bool) -> None:
        """Count and time one call; seconds."""
        labels = exemplar()
        with self._lock:
            self._totals.add(latency, success)
            self._latencies.append(latency)
            self._calls["success" if success else "failure"](1.0)
            self._duration.observe(latency, labels)

    def record_rejection(self) -> None:
        """Count one call that was refused."""
        with self._lock:
            self._calls["rejected"](1.0)

    def record_state(self, state: str) -> None:
        """Publish the state the breaker is in."""
        self.state = state
        for each, gauge in self._states.items():
            gauge.set(each == state)

    def record_transition(self, from_state: str, to_state: str) -> None:
        """Count a change of state and publish the new one."""
        self._series.transitions.labels(self.name, from_state, to_state).inc()
        self.record_state(to_state)

    def totals(self) -> Totals:
        """Return a consistent copy of the totals."""
        with self._lock:
            return replace(self._totals)

    def percentiles(self, wanted: Iterable[float]) -> dict[str, float]:
        """Nearest-rank percentiles of the recent latencies; 0.0 when there are none."""
        with self._lock:
            ordered = sorted(self._latencies)
        return {f"p{p:g}": _nearest_rank(ordered, p) for p in wanted}


def _nearest_rank(ordered: list[float], percentile: float) -> float:
    """Pick the smallest value with at least `percentile` % of all values at or below it.

    Source: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(percentile / 100 * len(ordered)) - 1)]
