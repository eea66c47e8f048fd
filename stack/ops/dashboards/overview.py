"""Is it healthy, since when, and what do I click?"""

from __future__ import annotations

from stack.ops.dashboards import judged, lists, look, panels, parts
from stack.ops.dashboards.board import Board, address
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_ASK = 'service="gateway", http_route="/ask"'
# For who is here for the first time; each title stands for a panel.
_CLICKS = f"""\
**Something red?** Click it: it opens what is behind it.

1. **Which service?** The red one of *Errors by service*: click it.
2. **Which request?** Its traces with errors open: take the newest.
3. **Why?** The failed span furthest in is the cause.

**Slow?** Click a dot in *Latency, p95*: it is one request.\\
**Woken up?** Click the alert's name: its runbook opens.

On call: [Alerts]({address("alerts", "alerts")}), [SLO]({address("slo", "slo")})\\
Changing code: [Service]({address("service", "service")}), \
[Dependencies]({address("dependencies", "dependencies")}), [LLM]({address("llm", "llm")})\\
Running the stack: [Telemetry health]({address("telemetry", "telemetry-health")})
"""


def build(rules: Rules) -> Board:
    """Lay it out."""
    question = "Is it healthy, since when, and what do I click?"
    board = Board("overview", "Overview", question, failing="gateway")
    _top(board, rules)
    board.add(
        parts.firing_table(),
        parts.errors_by_service(rules),
        lists.words("What to click", "The way from here to a cause, and who looks where.", _CLICKS),
        height=10,
        widths=(12, 6, 6),
    )
    _requests(board, rules)
    board.add(
        parts.breakers(""),
        parts.up_now(),
        lists.boards("Dashboards", "All dashboards of the stack; they keep the time."),
        height=8,
        widths=(9, 9, 6),
    )
    return board


def _requests(board: Board, rules: Rules) -> None:
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
        judged.lines(
            rules,
            "HighErrorRatio",
            Meaning(
                "Errors",
                "Share of each service's requests that are answered with 5xx; above the line "
                "HighErrorRatio fires. The service furthest along the way is the cause.",
                look.RATIO,
                link=_service(),
            ),
            "{{service}}",
            total="service:http_server_requests:rate5m",
        ),
        judged.lines(
            rules,
            "HighLatency",
            Meaning(
                "Latency, p95",
                "Seconds within which 95 % of each service's requests of 5 minutes are answered; "
                "above the line HighLatency fires. Click a dot to open that request's trace.",
                look.SECONDS,
                link=_service(),
            ),
            "{{service}}",
        ),
        height=10,
    )


def _top(board: Board, rules: Rules) -> None:
    board.add(
        parts.firing(
            "page|ticket", "Alerts firing", "How many alerts fire. Click to see all about them."
        ),
        panels.tile(
            Meaning(
                "For how long",
                "How long the oldest of the alerts that fire has been firing.",
                look.SECONDS,
                link=("Open the alerts", address("alerts", "alerts")),
                decimals=0,
            ),
            # Not absent: a tile goes on showing the last value that there was.
            Query(f"max({parts.since()}) or vector(0)"),
            thresholds=look.steps((0, look.WARNING)),
            names={"0": ("all well", look.GOOD)},
        ),
        judged.targets_down(
            rules,
            "How many targets do not answer Prometheus. Click to see which.",
            ("Open telemetry health", address("telemetry", "telemetry-health")),
        ),
        panels.fact(
            Meaning(
                "Questions",
                "Questions per second to the gateway. None at all is no good sign either.",
                look.REQUESTS,
                link=_service("gateway"),
            ),
            Query(f"sum(rate({parts.HTTP}_count{{{_ASK}}}[$__rate_interval]))"),
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
        judged.counted(
            rules,
            "CircuitBreakerOpen",
            Meaning(
                "Breakers open",
                "How many circuit breakers refuse calls. Click to see which.",
                look.COUNT,
                link=("Open the dependencies", address("dependencies", "dependencies")),
            ),
            'max by (service, component) (circuit_breaker_state{state="open"}) == 1',
        ),
        height=4,
    )


def _service(name: str = "${__field.labels.service}") -> tuple[str, str]:
    return "Open the service", address("service", "service", service=name)
