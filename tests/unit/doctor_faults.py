"""What can be wrong with a stack: each function lets the fake one have one problem."""

from __future__ import annotations

import time

from tests.unit.doctor_stack import TRACES, FakeStack, moment, rule


def resets(stack: FakeStack) -> None:
    stack.has(r"resets\(", ({"service": "llm"}, 7.0))


def refused(stack: FakeStack) -> None:
    stack.has("exceeded_sample_limit", ({}, 12.0))


def series(stack: FakeStack) -> None:
    stack.has("sort_desc.*by .service. .scrape_samples", ({"service": "llm"}, 25_000.0))


def memory(stack: FakeStack) -> None:
    stack.has(r"process_resident_memory_bytes\)", ({"service": "llm"}, 4e8))


def lost(stack: FakeStack) -> None:
    stack.has(
        r"by .service, outcome. .*telemetry_spans_total",
        ({"service": "llm", "outcome": "exported"}, 2.0),
        ({"service": "llm", "outcome": "failed"}, 98.0),
    )


def full_queue(stack: FakeStack) -> None:
    stack.has(
        r"by .service, outcome. .*telemetry_spans_total",
        ({"service": "llm", "outcome": "exported"}, 50.0),
        ({"service": "llm", "outcome": "dropped"}, 50.0),
    )


def otlp(stack: FakeStack) -> None:
    stack.silent.add("OTLP_HTTP_PORT")


def otlp_refuses(stack: FakeStack) -> None:
    stack.reply("OTLP_HTTP_PORT", "/v1/traces", "no space left", 503)


def elsewhere(stack: FakeStack) -> None:
    stack.reply("JAEGER_QUERY_PORT", "/api/services", {"data": ["gateway", "llm", "inbox"]})


def no_spans(stack: FakeStack) -> None:
    stack.has(
        r"by .service. .increase.telemetry_spans_total.\d+s...$",
        *(({"service": name}, 0.0 if name == "llm" else 9.0) for name in ("llm", "gateway")),
    )


def fault(stack: FakeStack) -> None:
    fault = {"kind": "error", "status": 503, "path": "/v1", "probability": 1.0}
    stack.reply("LLM_PORT", "/faults", {"faults": [fault]})


def no_exemplar(stack: FakeStack) -> None:
    stack.reply("PROMETHEUS_PORT", "/api/v1/query_exemplars", {"data": []})


def no_exemplar_storage(stack: FakeStack) -> None:
    no_exemplar(stack)
    stack.reply("PROMETHEUS_PORT", "/api/v1/status/flags", {"data": {"enable-feature": ""}})


def some_exemplars(stack: FakeStack) -> None:
    one = {"labels": {"trace_id": "0af7"}, "timestamp": time.time() - 1}
    found = [{"seriesLabels": {"service": n}, "exemplars": [one]} for n in ("llm", "gateway")]
    stack.reply("PROMETHEUS_PORT", "/api/v1/query_exemplars", {"data": found})


def trace_gone(stack: FakeStack) -> None:
    stack.reply("JAEGER_QUERY_PORT", f"/api/traces/{TRACES['llm']}", "trace not found", 404)


def failing_rule(stack: FakeStack) -> None:
    rules = [rule("TargetDown"), rule("HighLatency", "err", "many-to-many matching")]
    group = {"name": "requests", "file": "requests.rules.yml", "rules": rules}
    stack.reply("PROMETHEUS_PORT", "/api/v1/rules", {"data": {"groups": [group]}})


def no_rules(stack: FakeStack) -> None:
    stack.reply("PROMETHEUS_PORT", "/api/v1/rules", {"data": {"groups": []}})


def configuration(stack: FakeStack) -> None:
    stack.has("alertmanager_config_last_reload_successful", ({}, 0.0))


def no_alertmanager(stack: FakeStack) -> None:
    nobody: list[str] = []
    body = {"data": {"activeAlertmanagers": nobody}}
    stack.reply("PROMETHEUS_PORT", "/api/v1/alertmanagers", body)


def not_handed_over(stack: FakeStack) -> None:
    stack.has("prometheus_notifications_errors_total", ({}, 4.0))


def notifications(stack: FakeStack) -> None:
    stack.has("alertmanager_notification_requests_failed_total", ({"integration": "webhook"}, 2.0))


def watchdog(stack: FakeStack) -> None:
    found = {"state": "silent", "last_seen": moment(900), "timeout_seconds": 300.0}
    stack.reply("INBOX_PORT", "/api/alerts", {"watchdog": found})


def watchdog_never(stack: FakeStack) -> None:
    found = {"state": "never", "last_seen": None, "timeout_seconds": 300.0}
    stack.reply("INBOX_PORT", "/api/alerts", {"watchdog": found})


def silence(stack: FakeStack) -> None:
    silence = {
        "id": "s1",
        "status": {"state": "active"},
        "createdBy": "ann",
        "comment": "planned",
        "endsAt": moment(-60),
    }
    alert = {"labels": {"alertname": "TargetDown"}, "status": {"silencedBy": ["s1"]}}
    stack.reply("ALERTMANAGER_PORT", "/api/v2/silences", [silence])
    stack.reply("ALERTMANAGER_PORT", "/api/v2/alerts", [alert])


def clock(stack: FakeStack) -> None:
    stack.skew = -90.0


def readable_secret(stack: FakeStack) -> None:
    (stack.plan.secrets / "faults_token").chmod(0o644)


def open_folder(stack: FakeStack) -> None:
    stack.plan.secrets.chmod(0o755)


def old_prometheus(stack: FakeStack) -> None:
    stack.reply("PROMETHEUS_PORT", "/api/v1/status/buildinfo", {"data": {"version": "2.53.0"}})


def mixed_versions(stack: FakeStack) -> None:
    stack.has(
        "stack_build_info",
        ({"service": "llm", "version": "1.0"}, 1.0),
        ({"service": "gateway", "version": "1.1"}, 1.0),
    )
