"""What is known about one component: its series and the numbers of its summary."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import RLock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stack.metrics.bound import BoundHistogram, bound_number, bound_setter
from stack.metrics.instruments import DURATION_BUCKETS, exemplar
from stack.metrics.locks import make_reentrant, renew_registry_in_children

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

        self._counted = (self.calls, self.duration, self.transitions, self.logs)
        for family in (*self._counted, self.state):
            make_reentrant(family)
        renew_registry_in_children(registry)

    def forget(self, component: str, *, state_too: bool) -> None:
        """Drop the series of one component; its counters begin again at zero."""
        for family in (*self._counted, self.state) if state_too else self._counted:
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
    """One component's bound series, totals and recent latencies.

    Thread-safe; a signal handler may record while its thread is recording.

    Args:
        name: the component, as its series name it.
        series: the families its series belong to.
        max_samples: latencies that are kept.
        state: the one its breaker has published before; None for no breaker yet, or a closed one.
    """

    def __init__(
        self, name: str, series: ComponentSeries, max_samples: int, state: str | None = None
    ) -> None:
        self.name = name
        self.state = state or "closed"
        self._totals = Totals()
        self._transitions = series.transitions
        self._latencies: deque[float] = deque(maxlen=max_samples)
        self._lock = RLock()
        self._calls = {
            outcome: bound_number(series.calls.labels(name, outcome)) for outcome in OUTCOMES
        }
        self._duration = BoundHistogram(series.duration.labels(name))
        gauges = {each: series.state.labels(name, each) for each in STATES}
        self._states = {each: bound_setter(gauge) for each, gauge in gauges.items()}
        if state is None:
            # Without a time: what another worker has published is newer.
            gauges[self.state]._value.set(1.0)

    def renew_lock(self) -> None:
        """Replace a lock that another thread may have held at the fork."""
        self._lock = RLock()

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
        with self._lock:
            self.state = state
            for each, publish in self._states.items():
                publish(float(each == state))

    def record_transition(self, from_state: str, to_state: str) -> None:
        """Count a change of state and publish the new one."""
        counter = bound_number(self._transitions.labels(self.name, from_state, to_state))
        with self._lock:
            counter(1.0)
            self.record_state(to_state)

    def totals(self) -> Totals:
        """Return a consistent copy of the totals."""
        with self._lock:
            return replace(self._totals)

    def percentiles(self, wanted: Iterable[float]) -> dict[str, float]:
        """Nearest-rank percentiles of the recent latencies; 0.0 when there are none."""
        with self._lock:
            ordered = sorted(self._latencies)
        return nearest_ranks(ordered, wanted)


def nearest_ranks(ordered: Sequence[float], wanted: Iterable[float]) -> dict[str, float]:
    """Pick the smallest values with at least that share of all values at or below them.

    Source: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method

    Args:
        ordered: the values in rising order.
        wanted: percentiles 0–100.

    Returns:
        `{"p50": value, "p99.9": value, …}`; 0.0 when there are no values.
    """
    found: dict[str, float] = {}
    for percentile in wanted:
        digits = str(float(percentile)).removesuffix(".0")
        # As it is written: in floats, 7 / 100 * 100 is above 7, and 99.9 is not quite 99.9.
        rank = math.ceil(Fraction(digits) * len(ordered) / 100)
        found[f"p{digits}"] = ordered[max(0, rank - 1)] if ordered else 0.0
    return found
