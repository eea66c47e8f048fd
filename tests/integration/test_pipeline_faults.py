"""A fault is seen, contained, reported once, and over when it is over."""

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.conftest import until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)


def test_a_failing_llm_opens_the_breaker_alerts_once_and_recovers(pipeline: "Pipeline") -> None:
    """Fault → open → degraded answers → pending → firing → inbox once → off → closed → resolved."""
    before = len(pipeline.alerts("CircuitBreakerOpen"))
    pipeline.fault(
        "LLM_PORT", kind="error", status=503, path="/v1", probability=1.0, duration_seconds=300
    )

    def degraded() -> bool:
        answer = pipeline.ask()
        assert answer.status_code == 200, "the gateway answers without its llm"
        return bool(answer.json()["degraded"])

    until(degraded, "the gateway degrades")
    until(lambda: _open(pipeline) == "1" or not pipeline.ask(), "the breaker's metric says open")
    until(lambda: _alert_state(pipeline) in {"pending", "firing"}, "the alert is pending")
    until(lambda: _alert_state(pipeline) == "firing", "the alert fires")
    alerts = until(
        lambda: [a for a in pipeline.alerts("CircuitBreakerOpen") if a["status"] == "firing"],
        "the inbox has the alert",
    )
    assert len(pipeline.alerts("CircuitBreakerOpen")) == before + 1, "stored once"
    (alert,) = alerts
    assert alert["labels"]["component"] == "llm"
    assert alert["labels"]["service"] == "gateway"
    links = [text for text in alert["annotations"].values() if text.startswith("http")]
    assert links
    for link in links:
        assert httpx.get(link).status_code == 200, f"the link is live: {link}"

    pipeline.end_faults("LLM_PORT")
    until(lambda: not pipeline.ask().json()["degraded"], "full answers again", deadline=60)
    until(lambda: pipeline.ask() and _open(pipeline) == "0", "the breaker's metric says closed", 60)
    until(
        lambda: all(a["status"] == "resolved" for a in pipeline.alerts("CircuitBreakerOpen")),
        "the alert is resolved in the inbox",
        deadline=60,
    )
    assert len(pipeline.alerts("CircuitBreakerOpen")) == before + 1, "still one alert"


def _open(pipeline: "Pipeline") -> str:
    (series,) = pipeline.query(
        'circuit_breaker_state{service="gateway",component="llm",state="open"}'
    )
    return str(series["value"][1])


def _alert_state(pipeline: "Pipeline") -> str:
    answer = pipeline.get("PROMETHEUS_PORT", "/api/v1/alerts")
    states = [
        alert["state"]
        for alert in answer["data"]["alerts"]
        if alert["labels"]["alertname"] == "CircuitBreakerOpen"
    ]
    return states[0] if states else ""
