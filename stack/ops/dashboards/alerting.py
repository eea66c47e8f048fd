"""Alerts: what fires, and whether it reaches a person in time."""

from __future__ import annotations

from stack.ops.dashboards import judged, look, panels, parts
from stack.ops.dashboards.board import Board
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_DELAY = "alert_delivery_delay_seconds"


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "alerts",
        "Alerts",
        "What fires, since when, and does it reach a person in time?",
        since="now-3h",
    )
    _top(board)
    board.add(parts.firing_table(), parts.alert_list(), height=9)
    board.add(_course(), height=10)
    board.row("From Prometheus to Alertmanager to the receivers")
    _way(board, rules)
    board.row("In the inbox")
    _inbox(board)
    return board


def _top(board: Board) -> None:
    board.add(
        parts.firing("page", "Pages firing", "Alerts that want a person at once."),
        parts.firing("ticket", "Tickets firing", "Alerts that can wait for the morning."),
        panels.tile(
            Meaning(
                "Waiting", "Alerts whose condition holds, not yet for long enough.", look.COUNT
            ),
            Query(f'count(ALERTS{{alertstate="pending", {parts.PAGED}}}) or vector(0)'),
            thresholds=look.steps((1, look.WARNING)),
            names=look.NOTHING,
        ),
        panels.fact(
            Meaning(
                "Watchdog",
                "Seconds since the alert that always fires last arrived in the inbox; when it "
                "stays away no other alert would arrive.",
                look.SECONDS,
                empty="never arrived",
                decimals=0,
            ),
            Query("time() - inbox_watchdog_last_seen_timestamp_seconds"),
        ),
        panels.fact(
            Meaning(
                "Received",
                "Notifications that the inbox got in the last hour, the Watchdog's apart.",
                look.COUNT,
                empty="none",
            ),
            Query('sum(increase(alerts_received_total{alertname!="Watchdog"}[1h])) or vector(0)'),
        ),
        panels.fact(
            Meaning(
                "Delay, p95",
                "Seconds from an alert's start to its arrival in the inbox, for 95 % of those of "
                "the last hour.",
                look.SECONDS,
                empty="none received",
            ),
            Query(f"histogram_quantile(0.95, sum by (le) (rate({_DELAY}_bucket[1h])))"),
        ),
        height=4,
    )


def _course() -> panels.Panel:
    text = "When each alert fired; the Watchdog, which always does, is left out."
    return panels.states(
        Meaning("Alerts over time", text, look.NUMBER, decimals=0, empty="nothing has fired"),
        Query(
            'max by (alertname, service) (ALERTS{alertstate="firing", alertname!="Watchdog"})',
            "{{alertname}} {{service}}",
        ),
        names=look.FIRING,
    )


def _way(board: Board, rules: Rules) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Sent to Alertmanager",
                "Alerts per second that Prometheus sent, and how many of them in vain.",
                look.PER_SECOND,
            ),
            Query("sum(rate(prometheus_notifications_sent_total[$__rate_interval]))", "sent"),
            Query("sum(rate(prometheus_notifications_errors_total[$__rate_interval]))", "failed"),
        ),
        judged.lines(
            rules,
            "PrometheusNotificationsFailing",
            Meaning(
                "Not taken by Alertmanager",
                "Share of the alerts of 2 minutes that did not reach Alertmanager; above the line "
                "PrometheusNotificationsFailing fires.",
                look.RATIO,
            ),
            "{{service}}",
        ),
        panels.lines(
            Meaning(
                "Sent to receivers",
                "Requests per second of Alertmanager, by the kind of receiver.",
                look.PER_SECOND,
                empty="nothing sent",
            ),
            Query(
                "sum by (integration) "
                "(rate(alertmanager_notification_requests_total[$__rate_interval])) > 0",
                "{{integration}}",
            ),
        ),
        judged.lines(
            rules,
            "AlertmanagerNotificationsFailing",
            Meaning(
                "Not taken by receivers",
                "Share of the requests of 2 minutes that failed; above the line "
                "AlertmanagerNotificationsFailing fires.",
                look.RATIO,
            ),
            "{{integration}}",
        ),
        height=8,
    )


def _inbox(board: Board) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Received",
                "Alerts that the inbox got per second, by status.",
                look.PER_SECOND,
                empty="none received",
            ),
            Query("sum by (status) (rate(alerts_received_total[$__rate_interval]))", "{{status}}"),
            stacked=True,
        ),
        parts.spread(
            _DELAY, 'status="firing"', "Spread of delay", "alerts on their way", "none received"
        ),
        panels.lines(
            Meaning(
                "Not stored",
                "Notifications per second that the inbox could not store, by reason; "
                "Alertmanager sends them again.",
                look.PER_SECOND,
                empty="all stored",
            ),
            Query(
                "sum by (reason) (rate(inbox_store_errors_total[$__rate_interval]))", "{{reason}}"
            ),
        ),
        height=8,
    )
