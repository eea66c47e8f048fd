"""prometheus_client's two series that one record of ours stands for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from stack.metrics.instruments import DURATION_BUCKETS


class PlainPair:
    """A histogram and a counter, their labels given beforehand."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._histogram = Histogram(
            "seconds", "Time.", ("component",), buckets=DURATION_BUCKETS, registry=registry
        ).labels("llm")
        self._counter = Counter(
            "calls", "Calls.", ("component", "outcome"), registry=registry
        ).labels("llm", "success")

    def observe(self) -> None:
        """Time one call."""
        self._histogram.observe(0.01)

    def observe_with(self, labels: dict[str, str]) -> None:
        """Time one call, with an exemplar."""
        self._histogram.observe(0.01, labels)

    def count(self) -> None:
        """Count one call."""
        self._counter.inc()
