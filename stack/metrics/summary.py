"""What is told to people about one component."""

from __future__ import annotations

from typing import TypedDict

from stack.metrics.component import Component, Totals, nearest_ranks

USUAL_PERCENTILES = (50, 95, 99)


class MetricsSummary(TypedDict):
    """Numbers of one component since the start or the last reset.

    Latencies are in seconds, rates in percent 0–100, `last_failure_time` in Unix seconds.
    """

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


def summarize(name: str, component: Component | None) -> MetricsSummary:
    """Return a component's numbers; those of one without calls when there is none."""
    totals = component.totals() if component else Totals()
    wanted = USUAL_PERCENTILES
    failure_rate = 100.0 * totals.failures / totals.calls if totals.calls else 0.0
    return MetricsSummary(
        component=name,
        total_calls=totals.calls,
        successful_calls=totals.successes,
        failed_calls=totals.failures,
        success_rate=100.0 - failure_rate,
        failure_rate=failure_rate,
        avg_latency=totals.latency_sum / totals.calls if totals.calls else 0.0,
        min_latency=totals.latency_min if totals.calls else 0.0,
        max_latency=totals.latency_max,
        current_state=component.state if component else "closed",
        last_failure_time=totals.last_failure_time,
        latency_percentiles=component.percentiles(wanted)
        if component
        else nearest_ranks((), wanted),
    )
