"""What several dashboards share: errors, RED rows, latency, targets, breakers, firing alerts."""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.builders.dashboard import Panel as AlertList
from grafana_foundation_sdk.models.common import BigValueTextMode

from stack.ops.dashboards import judged, lists, look, panels
from stack.ops.dashboards.board import Board, address, failing_traces
from stack.ops.dashboards.panels import Meaning, Panel, Query
from stack.ops.dashboards.rules import Rules

HTTP = "http_server_request_duration_seconds"
PAGED = 'severity=~"page|ticket"'
# The labels by which alerts are told apart, and the headings of their columns.
_COLUMNS = {
    "alertname": "Alert",
    "severity": "Severity",
    "service": "Service",
    "component": "Component",
    "slo": "SLO",
}
RUNBOOK = ("Runbook", "http://localhost:8003/runbooks/${__value.raw}")


def errors_by_service(rules: Rules) -> Panel:
    """One tile a service: its share of errors; each leads to the traces of those."""
    text = (
        "Share of each service's requests of 5 minutes that are answered with 5xx; HighErrorRatio "
        "fires where a tile turns red. Click one to open its traces with errors."
    )
    total = "service:http_server_requests:rate5m"
    return panels.tile(
        Meaning(
            "Errors by service",
            text,
            look.RATIO,
            empty="no requests",
            link=failing_traces("${__field.labels.service}"),
        ),
        Query(judged.quiet_or(judged.measured(rules, "HighErrorRatio"), total), "{{service}}"),
        thresholds=look.steps(judged.limit(rules, "HighErrorRatio")),
    ).text_mode(BigValueTextMode.VALUE_AND_NAME)


def spans(where: str, of: str) -> Panel:
    """What becomes of spans."""
    text = f"Spans per second of {of}: sent to Jaeger, dropped for want of room, or refused."
    rate = f"rate(telemetry_spans_total{where}[$__rate_interval])"
    return panels.lines(
        Meaning("Spans", text, look.PER_SECOND),
        Query(f"sum by (outcome) ({rate})", "{{outcome}}"),
        stacked=True,
    )


def quantiles(metric: str, where: str) -> list[Query]:
    """Ask for p50, p95 and p99 of a histogram; the second has exemplars."""
    rate = f"sum by (le) (rate({metric}_bucket{{{where}}}[$__rate_interval]))"
    return [
        Query(f"histogram_quantile({share}, {rate})", name, exemplar=name == "p95")
        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    ]


def latency(metric: str, where: str, title: str, of: str) -> Panel:
    """Quantiles over time; dots are exemplars."""
    text = (
        f"Seconds within which half, 95 % and 99 % of {of} were done. "
        "A dot is one of them; click it to open its trace."
    )
    return panels.lines(Meaning(title, text, look.SECONDS), *quantiles(metric, where))


def spread(metric: str, where: str, title: str, of: str, empty: str = "none yet") -> Panel:
    """How latencies spread over time; dots are exemplars."""
    text = (
        f"How long {of} took: the darker a field, the more of them. "
        "Two bands mean two kinds of requests. A dot is one of them; click it to open its trace."
    )
    buckets = f"sum by (le) (increase({metric}_bucket{{{where}}}[$__rate_interval]))"
    return panels.spread(Meaning(title, text, look.SECONDS, empty=empty), buckets)


def by_status(where: str) -> Query:
    """Ask for answers by the class of their status, such as 2xx."""
    rate = f"rate({HTTP}_count{{{where}}}[$__rate_interval])"
    classed = f'label_replace({rate}, "class", "${{1}}xx", "http_response_status_code", "(.)..")'
    return Query(f"sum by (class) ({classed})", "{{class}}")


def up_now(where: str = "") -> Panel:
    """One band a target: whether it answers scrapes."""
    text = (
        "Whether Prometheus gets an answer from each target; red after the first scrape that "
        "fails, TargetDown fires a minute later."
    )
    return panels.states(
        Meaning("Targets up", text, look.NUMBER, decimals=0),
        Query(f"max by (service, job) (up{where})", "{{service}} ({{job}})"),
        names=look.UP,
    )


def breakers(where: str) -> Panel:
    """One band a circuit breaker: its state."""
    text = (
        "Each service's breaker around what it calls; open if that of any worker is. While it is "
        "open calls are refused, and the service answers without."
    )
    state = (
        "max by (service, component) (circuit_breaker_state{{" + where + 'state="{}"}})'
    ).format
    either = f"clamp_max(2 * {state('open')} + {state('half_open')}, 2)"
    return panels.states(
        Meaning("Circuit breakers", text, look.NUMBER, empty="no breaker yet", decimals=0),
        Query(either, "{{service}} → {{component}}"),
        names=look.BREAKER,
    )


def firing(severity: str, title: str, text: str) -> Panel:
    """How many alerts of these severities fire."""
    limit = (1, look.SEVERITIES[severity.split("|", maxsplit=1)[0]])
    return panels.tile(
        Meaning(title, text, look.COUNT, link=("Open the alerts", address("alerts", "alerts"))),
        Query(f'count(ALERTS{{alertstate="firing", severity=~"{severity}"}}) or vector(0)'),
        thresholds=look.steps(limit),
        names=look.NOTHING,
    )


def since(chosen: str = PAGED, labels: Iterable[str] = _COLUMNS) -> str:
    """Ask for the seconds for which each alert has been firing.

    Args:
        chosen: selects the alerts.
        labels: what is kept of theirs.
    """
    names = ", ".join(labels)
    return (
        f"time() - (max by ({names}) (ALERTS_FOR_STATE{{{chosen}}}) "
        f'and on ({names}) ALERTS{{alertstate="firing", {chosen}}})'
    )


def firing_table(slo: str = "") -> Panel:
    """Which alerts fire and since when; each leads to its runbook.

    Args:
        slo: selects those of an SLO alone; then no column says whose they are.
    """
    text = (
        "What fires now, the longest first. Click an alert to open its runbook, a service, "
        "component or SLO to open its dashboard."
    )
    chosen = f"{PAGED}, {slo}" if slo else PAGED
    columns = {n: _COLUMNS[n] for n in ("alertname", "severity")} if slo else _COLUMNS
    empty = "No alert of this objective fires" if slo else "Nothing fires: all is well"
    component = address("dependencies", "dependencies", component="${__value.raw}")
    links = {
        "Alert": [RUNBOOK],
        "Service": [("Open", address("service", "service", service="${__value.raw}"))],
        "Component": [("Open", component)],
        "SLO": [("Open", address("slo", "slo", slo="${__value.raw}"))],
    }
    return panels.rows(
        Meaning("Firing alerts", text, look.SECONDS, empty=empty, decimals=0),
        Query(since(chosen, columns)),
        columns=columns,
        links={heading: links[heading] for heading in columns.values() if heading in links},
        value="Since",
    )


def alert_list() -> AlertList:
    """Grafana's own list."""
    text = (
        "Alerts that fire or wait to, as Prometheus reports its rules; expand one for its labels."
    )
    return lists.alerts("Alerts, with those that wait", text, "page|ticket")


def red_row(board: Board, where: str, what: str) -> None:
    """Add the requests to a service and their errors, `$service` being what is chosen."""
    rate = f"rate({HTTP}_count{{{where}}}[$__rate_interval])"
    bad = rate.replace("}", ', http_response_status_code=~"5.."}')
    board.add(
        panels.lines(
            Meaning("Requests", f"Requests per second to {what}, by route.", look.REQUESTS),
            Query(f"sum by (http_route) ({rate})", "{{http_route}}"),
        ),
        panels.lines(
            Meaning(
                "Answers by status",
                f"Answers of {what} per second, by the class of their status: 5xx is its own "
                "fault, 4xx the caller's.",
                look.REQUESTS,
            ),
            by_status(where),
            stacked=True,
        ),
        panels.lines(
            Meaning(
                "Errors by route",
                f"Share of the requests to {what} that are answered with 5xx, by route.",
                look.RATIO,
                link=failing_traces(what),
            ),
            Query(
                f"(sum by (http_route) ({bad}) or 0 * sum by (http_route) ({rate})) "
                f"/ sum by (http_route) ({rate})",
                "{{http_route}}",
            ),
        ),
        height=8,
    )
