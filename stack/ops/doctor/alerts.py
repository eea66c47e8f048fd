"""Alerts do not arrive: along their way from the rules to the inbox."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources, listed

WATCHDOG = "Watchdog"
# Seconds after the start in which failing is no sign of anything.
_YOUNG = 90
# Who judges and sends, and what counts the alerts that were sent, that failed, that were dropped.
_NAMES = {"prometheus": "Prometheus", "rule": "Thanos Ruler"}
_SENT_FAILED_DROPPED = {
    "prometheus": (
        "prometheus_notifications_sent_total",
        "prometheus_notifications_errors_total",
        "prometheus_notifications_dropped_total",
    ),
    "rule": (
        "thanos_alert_sender_alerts_sent_total",
        "thanos_alert_sender_errors_total",
        "thanos_alert_sender_alerts_dropped_total",
    ),
}


def rules(sources: Sources) -> Report:
    """Look for rules that cannot be evaluated."""
    groups = sources.prometheus("rules")["groups"]
    all_rules = [(group, rule) for group in groups for rule in group["rules"]]
    alerting = sum(rule["type"] == "alerting" for _, rule in all_rules)
    problems = [
        Problem(
            f"rule {rule['name']} of {group['name']} ({group['file']}) fails: "
            f"{rule.get('lastError', '')[:160]}",
            mends.log(_judge(sources)),
        )
        for group, rule in all_rules
        if rule["health"] == "err"
    ]
    if not alerting:
        problems.append(Problem("Prometheus has no alert at all", mends.log(_judge(sources))))
    return Report(f"{len(all_rules)} rules in {len(groups)} groups, {alerting} alerts", problems)


def configuration(sources: Sources) -> Report:
    """See whether Prometheus and Alertmanager run with what is in their files."""
    problems = []
    for name in ("prometheus", "alertmanager"):
        metric = (
            "prometheus_config_last_reload_successful"
            if name == "prometheus"
            else "alertmanager_config_last_reload_successful"
        )
        if any(each.value == 0 for each in sources.query(metric)):
            problems.append(
                Problem(
                    f"{name} could not read its configuration and goes on with what it read before",
                    mends.log(name),
                )
            )
    runtime = sources.prometheus("status/runtimeinfo")
    return Report(f"Prometheus read its file at {runtime['lastConfigTime']}", problems)


def watchdog(sources: Sources) -> Report:
    """Look at the age of the alert that always fires, where alerts arrive."""
    found = sources.json("INBOX_PORT", "/api/alerts", limit=1)["watchdog"]
    timeout = found["timeout_seconds"]
    if found["last_seen"] is None:
        return _never(sources, timeout)
    age = time.time() - datetime.fromisoformat(found["last_seen"]).timestamp()
    seen = f"the Watchdog arrived {age:.0f} s ago; {timeout:g} s are acceptable"
    if found["state"] == "ok":
        return Report(seen)
    return Report(seen, [Problem(f"{seen}: no alert arrives", mends.log("alertmanager"))])


def _never(sources: Sources, timeout: float) -> Report:
    started = sources.prometheus("status/runtimeinfo")["startTime"]
    # Prometheus writes nanoseconds, which are too fine for datetime.
    began = datetime.fromisoformat(f"{started[:19]}+00:00").timestamp()
    runs = time.time() - began
    if runs < timeout:
        raise NotCheckedError(f"no Watchdog yet; Prometheus runs for {runs:.0f} s only")
    seen = f"the inbox has never had a Watchdog in {runs:.0f} s"
    return Report(seen, [Problem(f"{seen}: no alert arrives", mends.log("alertmanager"))])


def to_alertmanager(sources: Sources) -> Report:
    """See whether who judges knows an Alertmanager and gets rid of its alerts."""
    judge = _judge(sources)
    name, window = _NAMES[judge], sources.window()
    problems = []
    known = _known(sources)
    if not known:
        problems.append(Problem(f"{name} knows no Alertmanager", mends.log(judge)))
    sent, failed, dropped = (
        _sum(sources, f"increase({counter}[{window}])") for counter in _SENT_FAILED_DROPPED[judge]
    )
    if failed + dropped > 0.5:
        problems.append(
            Problem(
                f"{name} could not hand over {failed:.0f} alerts and dropped {dropped:.0f} in "
                f"{window}; {sent:.0f} sent; Alertmanager {_reachable(sources)}",
                mends.log("alertmanager"),
            )
        )
    return Report(f"{', '.join(known) or 'none'}; {sent:.0f} alerts sent in {window}", problems)


def _judge(sources: Sources) -> str:
    """Return the component that judges rules and sends alerts."""
    return "rule" if sources.plan.shards > 1 else "prometheus"


def _known(sources: Sources) -> list[str]:
    if _judge(sources) == "rule":
        counted = sources.query("count by (alertmanager) (thanos_alert_sender_alerts_sent_total)")
        return [each.labels["alertmanager"] for each in counted]
    return [each["url"] for each in sources.prometheus("alertmanagers")["activeAlertmanagers"]]


def _reachable(sources: Sources) -> str:
    try:
        status = sources.answer("ALERTMANAGER_PORT", "/-/ready").status_code
    except NotCheckedError as error:
        return f"is not reached: {error}"
    return "answers now" if status == 200 else f"says {status}"


def notifications(sources: Sources) -> Report:
    """Hold what Alertmanager could not send against what is acceptable."""
    window = sources.window()
    allowed = sources.threshold("alertmanager_notifications_failed:ratio", 0.05)
    name = "alertmanager_notification_requests"
    sent = {
        each.labels["integration"]: each.value
        for each in sources.query(f"sum by (integration) (increase({name}_total[{window}]))")
    }
    if not sent:
        raise NotCheckedError("Prometheus has no metrics of Alertmanager")
    failed = sources.query(f"sum by (integration) (increase({name}_failed_total[{window}])) > 0")
    problems = [
        Problem(
            f"{each.value:.0f} of {sent.get(each.labels['integration'], 0):.0f} notifications by "
            f"{each.labels['integration']} failed in {window}",
            mends.log("alertmanager"),
        )
        for each in failed
        if each.value > allowed * sent.get(each.labels["integration"], 0)
    ]
    age = sources.query(f'time() - process_start_time_seconds{{job="alertmanager"}} < {_YOUNG}')
    if problems and age:
        # It is there before its receivers are when everything starts, and tries again.
        raise NotCheckedError(
            f"{problems[0].what}, but Alertmanager runs for {age[0].value:.0f} s only"
        )
    total, bad = sum(sent.values()), listed(failed, "integration") or "none"
    return Report(f"{total:.0f} requests to receivers in {window}, failed: {bad}", problems)


def silences(sources: Sources) -> Report:
    """See what is held back by silences."""
    active = [
        each
        for each in sources.json("ALERTMANAGER_PORT", "/api/v2/silences")
        if each["status"]["state"] == "active"
    ]
    alerts = sources.json("ALERTMANAGER_PORT", "/api/v2/alerts")
    problems = []
    for silence in active:
        held = sorted(
            {
                each["labels"]["alertname"]
                for each in alerts
                if silence["id"] in each["status"]["silencedBy"]
            }
        )
        if held:
            problems.append(_held(sources, silence, held))
    firing = sorted({each["labels"]["alertname"] for each in alerts} - {WATCHDOG})
    return Report(
        f"{len(active)} silences; firing: {', '.join(firing) or 'nothing but the Watchdog'}",
        problems,
    )


def _held(sources: Sources, silence: Any, held: list[str]) -> Problem:
    url = sources.plan.url("ALERTMANAGER_PORT", f"/api/v2/silence/{silence['id']}")
    return Problem(
        f"a silence of {silence['createdBy']} until {silence['endsAt'][:19]} "
        f"({silence['comment'][:60]!r}) holds back {', '.join(held)}",
        f"curl -s -X DELETE {url}",
    )


def _sum(sources: Sources, expression: str) -> float:
    return sum(each.value for each in sources.query(expression))
