"""The collector counts what happens to components and never says what did not happen."""

import math
from enum import Enum

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stack.metrics import PrometheusMetricsCollector


class State(Enum):
    """Any enum with the states' values will do."""

    OPEN = "open"


@pytest.fixture
def collector() -> PrometheusMetricsCollector:
    return PrometheusMetricsCollector(max_latency_samples=10, max_components=3)


def samples(collector: PrometheusMetricsCollector) -> dict[tuple[str, ...], float]:
    """Read the exposition back with Prometheus's own parser."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(collector.export_prometheus_format())
        for sample in family.samples
    }


def test_calls_are_counted_and_timed(collector: PrometheusMetricsCollector) -> None:
    """Each call counts once by its outcome, and once in the histogram."""
    collector.record_circuit_breaker_call("llm", 0.2)
    collector.record_circuit_breaker_call("llm", 0.4, success=False)
    found = samples(collector)
    assert found["circuit_breaker_calls_total", "llm", "success"] == 1
    assert found["circuit_breaker_calls_total", "llm", "failure"] == 1
    assert found["circuit_breaker_call_duration_seconds_count", "llm"] == 2
    assert found["circuit_breaker_call_duration_seconds_bucket", "llm", "0.25"] == 1


@pytest.mark.parametrize("latency", [math.nan, math.inf, -0.1, "fast", None])
def test_a_latency_that_is_no_time_is_refused(
    collector: PrometheusMetricsCollector, latency: float
) -> None:
    """A bad latency is a ValueError and creates nothing."""
    with pytest.raises(ValueError, match="latency_s="):
        collector.record_circuit_breaker_call("llm", latency)
    assert collector.get_components() == []


@pytest.mark.parametrize("state", ["open", State.OPEN])
def test_the_state_is_one_series_each(
    collector: PrometheusMetricsCollector, state: str | State
) -> None:
    """Exactly one state is 1."""
    collector.record_circuit_breaker_state("llm", state)
    found = samples(collector)
    states = {s: found["circuit_breaker_state", "llm", s] for s in ("closed", "open", "half_open")}
    assert states == {"closed": 0, "open": 1, "half_open": 0}


def test_an_unknown_state_is_refused(collector: PrometheusMetricsCollector) -> None:
    """Only the three states exist."""
    with pytest.raises(ValueError, match="closed, open, half_open"):
        collector.record_circuit_breaker_state("llm", "ajar")


def test_log_levels_come_in_any_case(collector: PrometheusMetricsCollector) -> None:
    """`ERROR` and `error` are one level; an unknown one is refused."""
    collector.record_log_entry("llm", "ERROR")
    collector.record_log_entry("llm", "error")
    assert samples(collector)["log_entries_total", "llm", "error"] == 2
    with pytest.raises(ValueError, match="level="):
        collector.record_log_entry("llm", "loud")


def test_percentiles_are_values_that_were_observed(collector: PrometheusMetricsCollector) -> None:
    """Nearest rank: within the observed range, any percentile from 0 to 100."""
    for tenth in range(1, 11):
        collector.record_circuit_breaker_call("llm", tenth / 10)
    assert collector.get_latency_percentiles("llm", (0, 50, 95, 99.9, 100)) == {
        "p0": 0.1,
        "p50": 0.5,
        "p95": 1.0,
        "p99.9": 1.0,
        "p100": 1.0,
    }
    with pytest.raises(ValueError, match="percentile=101"):
        collector.get_latency_percentiles("llm", (101,))


def test_reading_creates_nothing(collector: PrometheusMetricsCollector) -> None:
    """Asking about an unknown component answers zeros and does not make it known."""
    summary = collector.get_metrics_summary("ghost")
    assert (summary["total_calls"], summary["success_rate"], summary["failure_rate"]) == (0, 100, 0)
    assert collector.get_latency_percentiles("ghost") == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert collector.get_components() == []


def test_the_summary_adds_up(collector: PrometheusMetricsCollector) -> None:
    """Totals, rates in percent and latencies in seconds agree with the calls."""
    for latency, success in ((0.1, True), (0.3, True), (0.2, False), (0.2, True)):
        collector.record_circuit_breaker_call("llm", latency, success)
    summary = collector.get_metrics_summary("llm")
    assert summary["total_calls"] == 4
    assert summary["failure_rate"] == 25.0
    assert summary["success_rate"] == 75.0
    assert summary["avg_latency"] == pytest.approx(0.2)
    assert (summary["min_latency"], summary["max_latency"]) == (0.1, 0.3)
    assert summary["last_failure_time"] is not None


def test_counters_outlive_the_latency_window(collector: PrometheusMetricsCollector) -> None:
    """The window bounds the percentiles, not the counts."""
    for _ in range(25):
        collector.record_circuit_breaker_call("llm", 0.1)
    assert samples(collector)["circuit_breaker_call_duration_seconds_count", "llm"] == 25


def test_components_are_bounded(
    collector: PrometheusMetricsCollector, caplog: pytest.LogCaptureFixture
) -> None:
    """Past the limit new components count as `other`, which is said once."""
    for number in range(6):
        collector.record_circuit_breaker_call(f"c{number}", 0.1)
    assert collector.get_components() == ["c0", "c1", "c2", "other"]
    assert samples(collector)["circuit_breaker_calls_total", "other", "success"] == 3
    assert len(caplog.records) == 1


def test_a_hostile_name_forges_no_series(collector: PrometheusMetricsCollector) -> None:
    """Labels are escaped: the name comes back as it was."""
    name = 'x"} 1\nforged_total{a="\\'
    collector.record_circuit_breaker_call(name, 0.1)
    found = samples(collector)
    assert found["circuit_breaker_calls_total", name, "success"] == 1
    assert not any(key[0].startswith("forged") for key in found)


def test_a_reset_begins_again_at_zero(collector: PrometheusMetricsCollector) -> None:
    """After a reset the series are gone until the next call."""
    collector.record_circuit_breaker_call("llm", 0.1)
    collector.record_log_entry("llm")
    collector.reset_all()
    assert not any("llm" in key for key in samples(collector))
    collector.record_circuit_breaker_call("llm", 0.1)
    assert samples(collector)["circuit_breaker_calls_total", "llm", "success"] == 1
