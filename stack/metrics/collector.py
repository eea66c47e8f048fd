"""The collector: calls, states and log entries of components, with a summary of each."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Iterable
from enum import Enum
from itertools import count
from threading import RLock

from prometheus_client import REGISTRY, CollectorRegistry

from stack.metrics import exposition
from stack.metrics.bound import Add, bound_number
from stack.metrics.component import STATES, Component, ComponentSeries, nearest_ranks
from stack.metrics.locks import renew_in_children
from stack.metrics.summary import USUAL_PERCENTILES, MetricsSummary, summarize

LEVELS = ("debug", "info", "warning", "error", "critical")
OVERFLOW = "other"
_LONGEST = sys.float_info.max

_log = logging.getLogger(__name__)


class PrometheusMetricsCollector:
    """Records what happens to components and tells it to Prometheus and to people.

    Thread-safe and fork-safe; a signal handler may record while its thread is recording. Summaries
    and percentiles are of this process; the series of several gunicorn workers are merged on
    `/metrics`. A component is named by any text; every method that records raises ValueError for
    another name.

    Args:
        max_latency_samples: latencies kept for each component; percentiles are exact over them.
        max_components: components told apart; any further one is counted under `other`.
        registry: where the series live; a registry of its own when not given.

    Raises:
        ValueError: a limit that is no whole number from 1 on.
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
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} is not valid: must be a whole number ≥ 1")
        self._max_samples = max_latency_samples
        self._max_components = max_components
        self._registry = CollectorRegistry() if registry is None else registry
        self._series = ComponentSeries(self._registry)
        self._components: dict[str, Component] = {}
        self._log_sources: set[str] = set()
        self._log_counters: dict[tuple[str, str], Add] = {}
        self._overflows = count()
        self._lock = RLock()
        renew_in_children(self)

    def record_circuit_breaker_call(
        self, component: str, latency_s: float, success: bool = True
    ) -> None:
        """Count and time one call that was made.

        Args:
            component: whose call it was.
            latency_s: seconds it took, finite and not negative.
            success: whether it succeeded.

        Raises:
            ValueError: the latency is NaN, infinite, negative, too large or no number.
        """
        if not (isinstance(latency_s, (int, float)) and 0 <= latency_s <= _LONGEST):
            raise ValueError(f"latency_s={latency_s!r} is not valid: must be finite seconds ≥ 0")
        try:
            known = self._components[component]
        except (KeyError, TypeError):
            known = self._component(component)
        known.record_call(latency_s, success)

    def record_circuit_breaker_rejection(self, component: str) -> None:
        """Count one call that the breaker refused.

        Raises:
            ValueError: the component's name is no text.
        """
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
        try:
            add = self._log_counters[component, level]
        except (KeyError, TypeError):
            add = self._log_counter(component, level)
        with self._lock:
            add(1.0)

    def get_latency_percentiles(
        self, component: str, percentiles: Iterable[float] = USUAL_PERCENTILES
    ) -> dict[str, float]:
        """Return the percentiles of the component's recent latencies.

        The values are observed ones (nearest rank), so the relative error over the window is 0.

        Args:
            component: whose calls; an unknown one has none and is not created.
            percentiles: any numbers from 0 to 100.

        Returns:
            `{"p50": seconds, "p99.9": seconds, …}`; 0.0 where there are no calls.

        Raises:
            ValueError: a percentile that is no number or outside of 0–100.
        """
        wanted = tuple(percentiles)
        for p in wanted:
            if not (isinstance(p, (int, float)) and 0 <= p <= 100):
                raise ValueError(f"percentile={p!r} is not valid: must be a number from 0 to 100")
        known = self._components.get(component)
        return known.percentiles(wanted) if known else nearest_ranks((), wanted)

    def get_failure_rate(self, component: str) -> float:
        """Return the percentage 0–100 of calls that failed; 0 without calls."""
        return self.get_metrics_summary(component)["failure_rate"]

    def get_success_rate(self, component: str) -> float:
        """Return the percentage 0–100 of calls that succeeded; 100 without calls."""
        return self.get_metrics_summary(component)["success_rate"]

    def get_metrics_summary(self, component: str) -> MetricsSummary:
        """Return the component's numbers; an unknown one has none and is not created."""
        return summarize(component, self._components.get(component))

    def export_prometheus_format(self) -> str:
        """Return the registry as Prometheus exposition text."""
        return exposition.text(self._registry).decode("utf-8")

    def get_components(self) -> list[str]:
        """Name the components that have been recorded, in order of the alphabet."""
        return sorted(self._components)

    def reset_component(self, component: str) -> None:
        """Forget one component; its counters begin again at zero, as after a restart.

        A breaker that is not closed stays known, for its state is no count to forget.
        """
        with self._lock:
            known = self._components.pop(component, None)
            if known is None and component not in self._log_sources:
                return
            self._log_sources.discard(component)
            for level in LEVELS:
                self._log_counters.pop((component, level), None)
            state = known.state if known else "closed"
            self._series.forget(component, state_too=state == "closed")
            if state != "closed":
                self._components[component] = self._made(component, state)

    def reset_all(self) -> None:
        """Forget every component, as `reset_component` does."""
        for component in {*self._components, *self._log_sources}:
            self.reset_component(component)

    def renew_locks(self) -> None:
        """Replace locks that other threads may have held at the fork."""
        self._lock = RLock()
        for component in self._components.values():
            component.renew_lock()

    def _component(self, name: str) -> Component:
        """Return a component by its name, made now if need be.

        Raises:
            ValueError: the name is no text.
        """
        _check_name(name)
        known = self._components.get(name)
        if known is not None:
            return known
        with self._lock:
            admitted = self._admitted(name, self._components)
            known = self._components.get(admitted)
            if known is None:
                known = self._components[admitted] = self._made(admitted)
        if admitted != name:
            self._say_overflow(name)
        return known

    def _made(self, name: str, state: str | None = None) -> Component:
        return Component(name, self._series, self._max_samples, state)

    def _log_counter(self, component: str, level: str) -> Add:
        """Return what counts a component's lines of a level; call it with the lock held.

        Raises:
            ValueError: the name is no text, or the level is unknown.
        """
        _check_name(component)
        known = level.lower() if isinstance(level, str) else level
        if known not in LEVELS:
            raise ValueError(f"level={level!r} is not valid: must be one of {', '.join(LEVELS)}")
        with self._lock:
            source = self._admitted(component, self._log_sources)
            self._log_sources.add(source)
            add = bound_number(self._series.logs.labels(source, known))
            if (source, known) == (component, level):
                self._log_counters[component, level] = add
        if source != component:
            self._say_overflow(component)
        return add

    def _admitted(self, name: str, known: Collection[str]) -> str:
        """Bound the number of series: past the limit every new name is `other`."""
        return name if name in known or len(known) < self._max_components else OVERFLOW

    def _say_overflow(self, name: str) -> None:
        """Say once that the limit is passed; without the lock, for the line is counted here too."""
        if next(self._overflows) == 0:
            _log.warning(
                "more than %d components: %r and any further one count as %r",
                self._max_components,
                name,
                OVERFLOW,
            )


def _check_name(component: object) -> None:
    if not isinstance(component, str):
        raise ValueError(f"component={component!r} is not valid: must be text")


def _state(state: str | Enum) -> str:
    value = state.value if isinstance(state, Enum) else state
    if value not in STATES:
        raise ValueError(f"state={state!r} is not valid: must be one of {', '.join(STATES)}")
    return str(value)


_collector: PrometheusMetricsCollector | None = None
_creation = RLock()


def _renew_creation() -> None:
    global _creation  # noqa: PLW0603
    _creation = RLock()


os.register_at_fork(after_in_child=_renew_creation)


def get_prometheus_collector() -> PrometheusMetricsCollector:
    """Return the process-wide collector on the default registry. Thread-safe and fork-safe."""
    global _collector  # noqa: PLW0603
    if _collector is None:
        with _creation:
            if _collector is None:
                _collector = PrometheusMetricsCollector(registry=REGISTRY)
    return _collector
