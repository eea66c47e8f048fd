"""What services call: breakers, retries, and how those that are called do."""

from __future__ import annotations

from stack.ops.dashboards import judged, look, panels, parts
from stack.ops.dashboards.board import Board, Variable, failing_traces
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_WHERE = 'component=~"$component"'
_CALLS = "circuit_breaker_calls_total"
_PAIR = "{{service}} → {{component}}"
_COMPONENT = Variable("component", "component", "circuit_breaker_state")


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "dependencies",
        "Dependencies",
        "Do services reach what they call, and what do their circuit breakers do?",
        variables=[_COMPONENT],
    )
    _top(board, rules)
    board.add(parts.breakers(f"{_WHERE}, "), height=8)
    board.row("Calls")
    _calls(board)
    board.row("Refused and repeated")
    _alerts(board, rules)
    board.row("Latency")
    board.add(
        panels.lines(
            Meaning(
                "Attempts, p95",
                "Seconds within which 95 % of the single attempts were done, without waits "
                "between retries. Click a dot to open its trace.",
                look.SECONDS,
            ),
            Query(
                "histogram_quantile(0.95, sum by (peer_service, le) "
                "(rate(http_client_request_duration_seconds_bucket"
                '{peer_service=~"$component"}[$__rate_interval])))',
                "{{peer_service}}",
                exemplar=True,
            ),
        ),
        parts.spread(
            "circuit_breaker_call_duration_seconds", _WHERE, "Spread of calls", "the calls"
        ),
        height=9,
    )
    return board


def _top(board: Board, rules: Rules) -> None:
    board.add(
        judged.tile(
            rules,
            "CircuitBreakerOpen",
            Meaning(
                "Breaker open",
                "Whether any breaker refuses calls; CircuitBreakerOpen fires after 30 seconds.",
                look.NUMBER,
                empty="no breaker yet",
            ),
            "component",
            summary="max",
            names=look.OPEN,
        ),
        judged.tile(
            rules,
            "CircuitBreakerFlapping",
            Meaning(
                "Openings",
                "How often a breaker opened in 15 minutes, the most of all.",
                look.COUNT,
                empty="none",
            ),
            "component",
            summary="max",
        ),
        judged.tile(
            rules,
            "CircuitBreakerRejecting",
            Meaning(
                "Refused",
                "Share of the calls of 5 minutes that a breaker refused, the most of all.",
                look.RATIO,
                empty="none",
            ),
            "component",
            summary="max",
        ),
        judged.tile(
            rules,
            "RetriesHigh",
            Meaning(
                "Repeated",
                "Calls that were made again, as a share of all of 5 minutes, the most of all.",
                look.RATIO,
                empty="none",
            ),
            "component",
            summary="max",
        ),
        panels.fact(
            Meaning("Calls", "Calls per second, with those that were refused.", look.PER_SECOND),
            Query(f"sum(rate({_CALLS}{{{_WHERE}}}[$__rate_interval]))"),
        ),
        panels.fact(
            Meaning("Call, p95", "Seconds within which 95 % of the calls were done.", look.SECONDS),
            parts.quantiles("circuit_breaker_call_duration_seconds", _WHERE)[1],
        ),
        height=4,
    )


def _calls(board: Board) -> None:
    total = f"sum by (service, component) (rate({_CALLS}{{{_WHERE}}}[$__rate_interval]))"
    failed = total.replace("}[", ', outcome="failure"}[')
    board.add(
        panels.lines(
            Meaning("Calls", "Calls per second, by who calls what.", look.PER_SECOND),
            Query(total, _PAIR),
        ),
        panels.lines(
            Meaning(
                "Calls by outcome",
                "Calls per second: done, failed, or refused by the breaker.",
                look.PER_SECOND,
            ),
            Query(
                f"sum by (outcome) (rate({_CALLS}{{{_WHERE}}}[$__rate_interval]))", "{{outcome}}"
            ),
            stacked=True,
        ),
        panels.lines(
            Meaning(
                "Failed",
                "Share of the calls that failed, by who calls what. Click one for the traces in "
                "which the caller met an error.",
                look.RATIO,
                link=failing_traces("${__field.labels.service}"),
            ),
            Query(f"({judged.quiet_or(failed, total)}) / {total}", _PAIR),
        ),
        height=10,
    )


def _alerts(board: Board, rules: Rules) -> None:
    board.add(
        judged.lines(
            rules,
            "CircuitBreakerRejecting",
            Meaning(
                "Refused",
                "Share of the calls of 5 minutes that the breaker refused; above the line "
                "CircuitBreakerRejecting fires.",
                look.RATIO,
                empty="no call was refused",
            ),
            _PAIR,
            "component",
        ),
        judged.lines(
            rules,
            "CircuitBreakerFlapping",
            Meaning(
                "Openings",
                "How often the breaker opened in 15 minutes; above the line "
                "CircuitBreakerFlapping fires.",
                look.COUNT,
                empty="no breaker has opened",
            ),
            _PAIR,
            "component",
        ),
        judged.lines(
            rules,
            "RetriesHigh",
            Meaning(
                "Repeated",
                "Calls that were made again, as a share of all of 5 minutes; above the line "
                "RetriesHigh fires.",
                look.RATIO,
                empty="no call was repeated",
            ),
            _PAIR,
            "component",
        ),
        height=8,
    )
