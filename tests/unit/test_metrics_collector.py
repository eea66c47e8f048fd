"""The collector counts what happens to components and never says what did not happen."""

import math
from collections.abc import Callable
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


@pytest.mark.parametrize("latency", [math.nan, math.inf, -0.1, "fast", None, 10**400])
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
    assert states(collector) == {"closed": 0, "open": 1, "half_open": 0}


def test_an_unknown_state_is_refused(collector: PrometheusMetricsCollector) -> None:
    """Only the three states exist."""
    with pytest.raises(ValueError, match="closed, open, half_open"):
        collector.record_circuit_breaker_state("llm", "ajar")


def test_a_component_without_a_breaker_is_closed(collector: PrometheusMetricsCollector) -> None:
    """A component that only had calls shows the state that its summary says."""
    collector.record_circuit_breaker_call("llm", 0.1)
    assert states(collector) == {"closed": 1, "open": 0, "half_open": 0}


def test_a_reset_forgets_counts_but_not_an_open_breaker(
    collector: PrometheusMetricsCollector,
) -> None:
    """The state is the breaker's, and no count: series and summary go on to say it."""
    collector.record_circuit_breaker_call("llm", 0.1, success=False)
    collector.record_circuit_breaker_transition("llm", "closed", "open")
    collector.reset_component("llm")
    summary = collector.get_metrics_summary("llm")
    assert (summary["total_calls"], summary["current_state"]) == (0, "open")
    assert states(collector) == {"closed": 0, "open": 1, "half_open": 0}
    assert ("circuit_breaker_transitions_total", "llm", "closed", "open") not in samples(collector)


def states(collector: PrometheusMetricsCollector) -> dict[str, float]:
    found = samples(collector)
    return {s: found["circuit_breaker_state", "llm", s] for s in ("closed", "open", "half_open")}


def test_log_levels_come_in_any_case(collector: PrometheusMetricsCollector) -> None:
    """`ERROR` and `error` are one level."""
    collector.record_log_entry("llm", "ERROR")
    collector.record_log_entry("llm", "error")
    assert samples(collector)["log_entries_total", "llm", "error"] == 2


@pytest.mark.parametrize("level", ["loud", None, 20, ["error"]])
def test_an_unknown_level_is_refused(collector: PrometheusMetricsCollector, level: str) -> None:
    """Only the five levels exist."""
    with pytest.raises(ValueError, match="level="):
        collector.record_log_entry("llm", level)


@pytest.mark.parametrize("name", [None, 7, b"llm", ["llm"]])
def test_a_name_that_is_no_text_is_refused(
    collector: PrometheusMetricsCollector, name: str
) -> None:
    """Nothing that records takes it, so that all that is known can be named in order."""
    records: tuple[Callable[[], None], ...] = (
        lambda: collector.record_circuit_breaker_call(name, 0.1),
        lambda: collector.record_circuit_breaker_rejection(name),
        lambda: collector.record_circuit_breaker_state(name, "open"),
        lambda: collector.record_circuit_breaker_transition(name, "open", "closed"),
        lambda: collector.record_log_entry(name),
    )
    for record in records:
        with pytest.raises(ValueError, match="component="):
            record()
    assert collector.get_components() == []


@pytest.mark.parametrize("limit", [0, -1, 1.5, "10", None])
def test_a_limit_is_a_whole_number(limit: int) -> None:
    """The message names the limit that is wrong."""
    with pytest.raises(ValueError, match="max_components="):
        PrometheusMetricsCollector(max_components=limit)
    with pytest.raises(ValueError, match="max_latency_samples="):
        PrometheusMetricsCollector(max_latency_samples=limit)


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


def test_each_percentile_has_a_name_of_its_own(collector: PrometheusMetricsCollector) -> None:
    """A name of six digits would make p99.99999 the maximum."""
    assert list(collector.get_latency_percentiles("llm", (99.99999, 100, 100.0))) == [
        "p99.99999",
        "p100",
    ]


@pytest.mark.parametrize("percentile", [101, -1, math.nan, "50", None])
def test_a_bad_percentile_is_refused(
    collector: PrometheusMetricsCollector, percentile: float
) -> None:
    """It is a number from 0 to 100."""
    with pytest.raises(ValueError, match="percentile="):
        collector.get_latency_percentiles("llm", (percentile,))


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
