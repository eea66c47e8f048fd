"""No count is lost or invented, and percentiles are values that were observed."""

import math
import statistics
from collections import Counter
from fractions import Fraction
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from stack.metrics import PrometheusMetricsCollector

components = st.sampled_from(["llm", "retrieval", "payments", 'a "quoted"\nname'])
latencies = st.floats(0, 1e6) | st.sampled_from([0.0, 0.005, 0.01, 10.0, 10.000001])
calls = st.lists(st.tuples(components, latencies, st.booleans()), max_size=60)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


@settings(max_examples=100, deadline=None)
@given(workload=st.lists(calls, min_size=1, max_size=4))
def test_every_call_of_every_thread_is_counted_everywhere(
    workload: list[list[tuple[str, float, bool]]],
) -> None:
    registry = CollectorRegistry()
    collector = PrometheusMetricsCollector(registry=registry)

    def work(mine: list[tuple[str, float, bool]]) -> None:
        for component, latency, success in mine:
            collector.record_circuit_breaker_call(component, latency, success)

    threads = [Thread(target=work, args=(mine,)) for mine in workload]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = [call for mine in workload for call in mine]
    by_outcome = Counter((component, success) for component, _, success in made)
    for component in {component for component, _, _ in made}:
        summary = collector.get_metrics_summary(component)
        good, bad = by_outcome[component, True], by_outcome[component, False]
        assert (summary["successful_calls"], summary["failed_calls"]) == (good, bad)
        assert summary["total_calls"] == good + bad
        name = "circuit_breaker_calls_total"
        assert value(registry, name, component=component, outcome="success") == good
        assert value(registry, name, component=component, outcome="failure") == bad
        name = "circuit_breaker_call_duration_seconds"
        assert value(registry, f"{name}_count", component=component) == good + bad
        assert value(registry, f"{name}_bucket", component=component, le="+Inf") == good + bad
        spent = math.fsum(latency for c, latency, _ in made if c == component)
        assert math.isclose(value(registry, f"{name}_sum", component=component), spent)
    assert collector.get_components() == sorted({component for component, _, _ in made})


@settings(max_examples=200, deadline=None)
@given(
    observed=st.lists(latencies, min_size=1, max_size=60),
    window=st.integers(1, 40),
    wanted=st.lists(st.integers(0, 100) | st.floats(0, 100), min_size=1, max_size=5),
)
def test_percentiles_are_observed_values_of_the_right_rank(
    observed: list[float], window: int, wanted: list[float]
) -> None:
    """The smallest value with at least p % of all at or below it, exactly."""
    collector = PrometheusMetricsCollector(max_latency_samples=window)
    for latency in observed:
        collector.record_circuit_breaker_call("c", latency)
    recent = sorted(observed[-window:])
    found = collector.get_latency_percentiles("c", wanted)
    for percentile in wanted:
        answer = found["p" + str(percentile).removesuffix(".0")]
        share = Fraction(str(percentile)) * len(recent)
        assert sum(100 for latency in recent if latency <= answer) >= share
        assert sum(100 for latency in recent if latency < answer) < share or answer == recent[0]


@pytest.mark.parametrize("percentile", [*range(1, 101), 0.1, 28.5, 99.9])
def test_the_percentiles_of_1_to_1000_are_ten_times_as_many(percentile: float) -> None:
    """No rounding of floats moves a rank."""
    collector = PrometheusMetricsCollector()
    for latency in range(1, 1001):
        collector.record_circuit_breaker_call("c", latency)
    (found,) = collector.get_latency_percentiles("c", (percentile,)).values()
    assert found == round(percentile * 10)


@given(st.lists(latencies, min_size=2, max_size=100))
def test_the_median_is_the_lower_median(observed: list[float]) -> None:
    collector = PrometheusMetricsCollector()
    for latency in observed:
        collector.record_circuit_breaker_call("c", latency)
    assert collector.get_latency_percentiles("c", (50,))["p50"] == statistics.median_low(observed)
