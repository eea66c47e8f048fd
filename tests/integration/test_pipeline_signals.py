"""One request leaves a metric, a trace and log lines that lead to each other."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.conftest import CALLS, SERVICES, until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)

BUCKETS = 'http_server_request_duration_seconds_bucket{service="gateway",http_route="/ask"}'


def test_an_answer_comes_from_the_runbook(pipeline: "Pipeline") -> None:
    """A question about an alert is answered from its runbook, with sources and a trace id."""
    body = pipeline.ask().json()
    assert body["sources"][0]["path"] == "docs/runbooks/CircuitBreakerOpen.md"
    assert body["answer"]
    assert body["degraded"] is False
    assert len(body["trace_id"]) == 32


def test_every_target_is_up(pipeline: "Pipeline") -> None:
    """Prometheus scrapes everything that runs, itself included."""
    wanted = {("services", name) for name in (*SERVICES, "loadgen")}
    wanted |= {(name, name) for name in ("prometheus", "alertmanager", "jaeger")}
    if pipeline.mode == "compose":
        wanted.add(("spanmetrics", "jaeger"))

    def up() -> set[tuple[str, str]]:
        found = pipeline.query("up == 1")
        return {(each["metric"]["job"], each["metric"]["service"]) for each in found}

    until(lambda: up() == wanted, f"all of {wanted} are up")


def test_one_request_is_found_in_metric_trace_and_logs(pipeline: "Pipeline") -> None:
    """Request → exemplar on /metrics → the same in Prometheus → the trace → the log lines."""
    asked = [pipeline.ask().json()["trace_id"] for _ in range(8)]

    token = (pipeline.run_dir / "secrets" / "metrics_token").read_text().strip()
    exposition = httpx.get(
        pipeline.url("GATEWAY_PORT", "/metrics"),
        headers={
            "Accept": "application/openmetrics-text; version=1.0.0",
            "Authorization": f"Bearer {token}",
        },
    ).text
    assert any(trace_id in exposition for trace_id in asked)

    trace_id = until(
        lambda: next(iter(pipeline.exemplar_traces(BUCKETS) & set(asked)), None),
        "an exemplar of a question just asked is in Prometheus",
    )
    trace = until(
        lambda: _complete(pipeline, trace_id), "the trace of three services is in the store"
    )
    _assert_parents(trace)
    for service in ("gateway", "retrieval", "llm"):
        found = until(
            lambda s=service: [  # type: ignore[misc]
                line for line in pipeline.log_lines(s) if line.get("trace_id") == trace_id
            ],
            f"a log line of {service} with the trace id",
        )
        assert all(line["service"] == service for line in found)


def test_breaker_series_and_their_exemplars_are_in_prometheus(pipeline: "Pipeline") -> None:
    """The breaker's state is one 0/1 series each, its calls carry exemplars."""
    pipeline.ask()
    states = until(
        lambda: pipeline.query('circuit_breaker_state{service="gateway",component="llm"}'),
        "the llm's breaker has series",
    )
    assert {s["metric"]["state"]: s["value"][1] for s in states} == {
        "closed": "1",
        "open": "0",
        "half_open": "0",
    }
    until(
        lambda: pipeline.exemplar_traces("circuit_breaker_call_duration_seconds_bucket"),
        "exemplars of breaker calls",
    )


@pytest.mark.parametrize("pipeline", ["compose"], indirect=True)
def test_span_metrics_are_in_prometheus_and_in_jaegers_monitor_tab(pipeline: "Pipeline") -> None:
    """Jaeger counts the calls, Prometheus scrapes them, and Jaeger asks it for them."""
    pipeline.ask()
    until(lambda: pipeline.query(CALLS), "calls are counted", deadline=60)
    until(lambda: max(pipeline.monitor("calls")) > 0, "the tab has call rates", deadline=60)


def test_the_watchdog_reaches_the_inbox(pipeline: "Pipeline") -> None:
    """The alert that always fires arrives: the alert path works."""
    assert until(lambda: pipeline.alerts("Watchdog"), "Watchdog in the inbox", deadline=60)


def test_idle_memory_is_within_the_budget(pipeline: "Pipeline") -> None:
    """All but Grafana, which is not everywhere; 700 MB as processes, 800 MB as containers."""
    rows = pipeline.at_first
    held = sum(row["memory_bytes"] for name, row in rows.items() if name != "grafana")
    assert 0 < held <= {"local": 700e6, "compose": 800e6}[pipeline.mode]


def _complete(pipeline: "Pipeline", trace_id: str) -> dict[str, Any] | None:
    trace = pipeline.trace(trace_id)
    services = {process["serviceName"] for process in trace["processes"].values()}
    roots = [span for span in trace["spans"] if not span["references"]]
    return trace if services >= {"gateway", "retrieval", "llm"} and roots else None


def _assert_parents(trace: dict[str, Any]) -> None:
    """Exactly one root, and every other span's parent is in the trace."""
    spans = {span["spanID"]: span for span in trace["spans"]}
    roots = [span for span in spans.values() if not span["references"]]
    assert [root["operationName"] for root in roots] == ["POST /ask"]
    for span in spans.values():
        for reference in span["references"]:
            assert reference["refType"] == "CHILD_OF"
            assert reference["spanID"] in spans
    for service in ("retrieval", "llm"):
        entries = [s for s in spans.values() if _service(trace, s) == service and _is_server(s)]
        assert entries
        for entry in entries:
            assert _service(trace, spans[entry["references"][0]["spanID"]]) == "gateway"


def _service(trace: dict[str, Any], span: dict[str, Any]) -> str:
    return str(trace["processes"][span["processID"]]["serviceName"])


def _is_server(span: dict[str, Any]) -> bool:
    return {"key": "span.kind", "type": "string", "value": "server"} in span["tags"]
