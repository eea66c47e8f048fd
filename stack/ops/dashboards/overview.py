"""Is it healthy, since when, and what do I click?"""

from __future__ import annotations

from stack.ops.dashboards import look, panels, parts
from stack.ops.dashboards.board import Board, address
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_ASK = 'service="gateway", http_route="/ask"'


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board("overview", "Overview", "Is it healthy, since when, and what do I click?")
    _top(board)
    board.add(parts.firing_table(), parts.up_now(), height=7)
    errors = rules.alert("HighErrorRatio")
    latency = rules.alert("HighLatency")
    board.add(
        panels.lines(
            Meaning(
                "Requests",
                "Requests per second to each service. A question goes to the gateway, then to "
                "retrieval, then to llm: where the course breaks off, it stops.",
                look.REQUESTS,
                link=_service(),
            ),
            Query("service:http_server_requests:rate5m", "{{service}}"),
        ),
        panels.lines(
            Meaning(
                "Errors",
                "Share of each service's requests that are answered with 5xx; above the line "
                "HighErrorRatio fires. The service furthest along the way is the cause.",
                look.RATIO,
                link=_service(),
            ),
            Query(
                parts.quiet_or(
                    "service:http_server_errors:ratio_rate5m",
                    "service:http_server_requests:rate5m",
                ),
                "{{service}}",
            ),
            limits=[(errors.limit or 0, look.SEVERITIES[errors.severity])],
        ),
        panels.lines(
            Meaning(
                "Latency, p95",
                "Seconds within which 95 % of each service's requests of 5 minutes are answered; "
                "above the line HighLatency fires. Click a dot to open that request's trace.",
                look.SECONDS,
                link=_service(),
            ),
            Query(latency.measured, "{{service}}", exemplar=True),
            limits=[(latency.limit or 0, look.SEVERITIES[latency.severity])],
        ),
        height=8,
    )
    board.add(parts.breakers(""), height=5)
    return board


def _top(board: Board) -> None:
    board.add(
        parts.firing(
            "page|ticket", "Alerts firing", "How many alerts fire. Click to see all about them."
        ),
        panels.tile(
            Meaning(
                "For how long",
                "How long the oldest of the alerts that fire has been firing.",
                look.SECONDS,
                empty="all well",
                link=("Open the alerts", address("alerts", "alerts")),
                decimals=0,
            ),
            Query(f"max({parts.SINCE})"),
            thresholds=look.steps(base=look.WARNING),
        ),
        panels.tile(
            Meaning(
                "Targets down",
                "How many targets do not answer Prometheus. Click to see which.",
                look.COUNT,
                link=("Open telemetry health", address("telemetry", "telemetry-health")),
            ),
            Query("count(up == 0) or vector(0)"),
            thresholds=look.steps((1, look.BAD)),
            names=look.NOTHING,
        ),
        panels.tile(
            Meaning(
                "Questions",
                "Questions per second to the gateway. None at all is no good sign either.",
                look.REQUESTS,
                link=_service("gateway"),
            ),
            Query(f"sum(rate({parts.HTTP}_count{{{_ASK}}}[$__rate_interval]))"),
            thresholds=look.steps(base=look.NEUTRAL),
        ),
        panels.tile(
            Meaning(
                "Error budget left",
                "What is left of each objective's error budget of 30 days, the least of all; "
                "below 0 the objective is missed. Click to see which.",
                look.RATIO,
                link=("Open the objectives", address("slo", "slo")),
            ),
            Query("min(slo:error_budget_remaining:ratio)"),
            thresholds=look.steps((0, look.GOOD), base=look.BAD),
        ),
        panels.tile(
            Meaning(
                "Breakers open",
                "How many circuit breakers refuse calls. Click to see which.",
                look.COUNT,
                link=("Open the dependencies", address("dependencies", "dependencies")),
            ),
            Query(
                'count(max by (service, component) (circuit_breaker_state{state="open"}) == 1) '
                "or vector(0)"
            ),
            thresholds=look.steps((1, look.BAD)),
            names=look.NOTHING,
        ),
        height=4,
    )


def _service(name: str = "${__field.labels.service}") -> tuple[str, str]:
    return "Open the service", address("service", "service", service=name)
