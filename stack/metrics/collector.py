"""The collector: calls, states and log entries of components, with a summary of each."""

from __future__ import annotations

import logging
import math
import os
import weakref
from collections.abc import Iterable, Sequence
from enum import Enum
from threading import Lock
from typing import TypedDict

from prometheus_client import REGISTRY, CollectorRegistry

from stack.metrics import exposition
from stack.metrics.bound import Add
from stack.metrics.component import STATES, Component, ComponentSeries, Totals

LEVELS = ("debug", "info", "warning", "error", "critical")
OVERFLOW = "other"

_log = logging.getLogger(__name__)


class MetricsSummary(TypedDict):
    """Numbers of one component since the start or the last reset; seconds, percent 0–100."""

    component: str
    total_calls: int
    successful_calls: int
    failed_calls: int
    success_rate: float
    failure_rate: float
    avg_latency: float
    min_latency: float
    max_latency: float
    current_state: str
    last_failure_time: float | None
    latency_percentiles: dict[str, float]


class PrometheusMetricsCollector:
    """Records what happens to components and tells it to Prometheus and to people.

    Thread-safe and fork-safe. Summaries and percentiles are of this process; the series of
    several gunicorn workers are merged on `/metrics`.

    Args:
        max_latency_samples: latencies kept for each component; percentiles are exact over them.
        max_components: components told apart; any further one is counted under `other`.
        registry: where the series live; a registry of its own when not given.

    Raises:
        ValueError: a limit below 1.
    """

    def __init__(
        self,
        max_latency_samples: int = 1000,
        max_components: int = 200,
        registry: CollectorRegistry | None = None,
    ) -> None:
        for name, value in (
            ("max_latency_samples", max_latency_samples),
            ("max_components", max_components),
        ):
            if value < 1:
                raise ValueError(f"{name}={value!r} is not valid: must be at least 1")
        self._max_samples = max_latency_samples
        self._max_components = max_components
        self._registry = CollectorRegistry() if registry is None else registry
        self._series = ComponentSeries(self._registry)
        self._components: dict[str, Component] = {}
        self._log_sources: set[str] = set()
        self._log_counters: dict[tuple[str, str], Add] = {}
        self._overflowed = False
        self._lock = Lock()
        _renew_after_fork(self)

    def record_circuit_breaker_call(
        self, component: str, latency_s: float, success: bool = True
    ) -> None:
        """Count and time one call; `latency_s` in seconds, finite and not negative.

        Raises:
            ValueError: the latency is NaN, infinite, negative or no number.
        """
        if not (isinstance(latency_s, (int, float)) and math.isfinite(latency_s)) or latency_s < 0:
            raise ValueError(f"latency_s={latency_s!r} is not valid: must be finite seconds ≥ 0")
        known = self._components.get(component) or self._component(component)
        known.record_call(latency_s, success)

    def record_circuit_breaker_rejection(self, component: str) -> None:
        """Count one call that the breaker refused."""
        self._component(component).record_rejection()

    def record_circuit_breaker_state(self, component: str, state: str | Enum) -> None:
        """Publish the breaker's state: closed, open or half_open, or an enum of those values.

        Raises:
            ValueError: any other state.
        """
        self._component(component).record_state(_state(state))

    def record_circuit_breaker_transition(
        self, component: str, from_state: str | Enum, to_state: str | Enum
    ) -> None:
        """Count a change of state and publish the new one.

        Raises:
            ValueError: a state that does not exist.
        """
        self._component(component).record_transition(_state(from_state), _state(to_state))

    def record_log_entry(self, component: str, level: str = "info") -> None:
        """Count one log record; `level` in any case.

        Raises:
            ValueError: an unknown level.
        """
        counter = self._log_counters.get((component, level))
        if counter is None:
            counter = self._log_counter(component, level)
        counter(1.0)

    def get_latency_percentiles(
        self, component: str, percentiles: Iterable[float] = (50, 95, 99)
    ) -> dict[str, float]:
        """Return `{"p50": seconds, …}` over the recent calls; 0.0 for a component without any.

        The values are observed ones (nearest rank), so the relative error over the window is 0.

        Raises:
            ValueError: a percentile outside of 0–100.
        """
        wanted: Sequence[float] = tuple(percentiles)
        for p in wanted:
            if not 0 <= p <= 100:
                raise ValueError(f"percentile={p!r} is not valid: must be from 0 to 100")
        known = self._components.get(component)
        return known.percentiles(wanted) if known else {f"p{p:g}": 0.0 for p in wanted}

    def get_failure_rate(self, component: str) -> float:
        """Return the percentage 0–100 of calls that failed; 0 without calls."""
        return self.get_metrics_summary(component)["failure_rate"]

    def get_success_rate(self, component: str) -> float:
        """Return the percentage 0–100 of calls that succeeded; 100 without calls."""
        return self.get_metrics_summary(component)["success_rate"]

    def get_metrics_summary(self, component: str) -> MetricsSummary:
        """Return the component's numbers; an unknown one has none and is not created."""
        known = self._components.get(component)
        totals = known.totals() if known else Totals()
        failure_rate = 100.0 * totals.failures / totals.calls if totals.calls else 0.0
        return MetricsSummary(
            component=component,
            total_calls=totals.calls,
            successful_calls=totals.successes,
            failed_calls=totals.failures,
            success_rate=100.0 - failure_rate,
            failure_rate=failure_rate,
            avg_latency=totals.latency_sum / totals.calls if totals.calls else 0.0,
            min_latency=totals.latency_min if totals.calls else 0.0,
            max_latency=totals.latency_max,
            current_state=known.state if known else "closed",
            last_failure_time=totals.last_failure_time,
            latency_percentiles=self.get_latency_percentiles(component),
        )

    def export_prometheus_format(self) -> str:
        """Return the registry as Prometheus exposition text."""
        return exposition.text(self._registry).decode("utf-8")

    def get_components(self) -> list[str]:
        """Name the components that have been recorded, in order of the alphabet."""
        return sorted(self._components)

    def reset_component(self, component: str) -> None:
        """Forget one component; its counters begin again at zero, as after a restart."""
        with self._lock:
            if self._components.pop(component, None) or component in self._log_sources:
                self._log_sources.discard(component)
                for level in LEVELS:
                    self._log_counters.pop((component, level), None)
                self._series.forget(component)

    def reset_all(self) -> None:
        """Forget every component."""
        for component in {*self._components, *self._log_sources}:
            self.reset_component(component)

    def _component(self, name: str) -> Component:
        known = self._components.get(name)
        if known is not None:
            return known
        with self._lock:
            name = self._admitted(name, self._components)
            if name not in self._components:
                self._components[name] = Component(name, self._series, self._max_samples)
            return self._components[name]

    def _log_counter(self, component: str, level: str) -> Add:
        known = level.lower()
        if known not in LEVELS:
            raise ValueError(f"level={level!r} is not valid: must be one of {', '.join(LEVELS)}")
        with self._lock:
            source = self._admitted(component, self._log_sources)
            self._log_sources.add(source)
            counter: Add = self._series.logs.labels(source, known)._value.inc
            if (source, known) == (component, level):
                self._log_counters[component, level] = counter
            return counter

    def _admitted(self, name: str, known: Iterable[str]) -> str:
        """Bound the number of series: past the limit every new name is `other`."""
        names = set(known)
        if name in names or len(names) < self._max_components:
            return name
        if not self._overflowed:
            self._overflowed = True
            _log.warning(
                "more than %d components: %r and any further one count as %r",
                self._max_components,
                name,
                OVERFLOW,
            )
        return OVERFLOW

    def _renew_locks(self) -> None:
        self._lock = Lock()
        for component in self._components.values():
            component.renew_lock()


def _state(state: str | Enum) -> str:
    value = state.value if isinstance(state, Enum) else state
    if value not in STATES:
        raise ValueError(f"state={state!r} is not valid: must be one of {', '.join(STATES)}")
    return str(value)


def _renew_after_fork(collector: PrometheusMetricsCollector) -> None:
    reference = weakref.ref(collector)

    def renew() -> None:
        alive = reference()
        if alive is not None:
            alive._renew_locks()

    os.register_at_fork(after_in_child=renew)


_collector: PrometheusMetricsCollector | None = None
_creation = Lock()


def get_prometheus_collector() -> PrometheusMetricsCollector:
    """Return the process-wide collector on the default registry. Thread-safe."""
    global _collector  # noqa: PLW0603
    with _creation:
        if _collector is None:
            _collector = PrometheusMetricsCollector(registry=REGISTRY)
        return _collector
