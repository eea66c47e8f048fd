"""The model: how fast and how often it answers, and what that takes."""

from __future__ import annotations

from stack.ops.dashboards import judged, look, panels, parts
from stack.ops.dashboards.board import Board, Variable, address, failing_traces
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_WHERE = 'gen_ai_request_model=~"$gen_ai_request_model"'
_DURATION = "gen_ai_client_operation_duration_seconds"
_TOKENS = "gen_ai_client_token_usage"
_MODEL = Variable("gen_ai_request_model", "model", f"{_DURATION}_count")
_ANSWERS = "sum(rate(gateway_answers_total[$__rate_interval]))"
# Those that the model had no part in, though something was found.
_DEGRADED = 'sum(rate(gateway_answers_total{outcome=~"passages|unavailable"}[$__rate_interval]))'


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "llm",
        "LLM",
        "Does the model answer, how fast, and how many tokens does it take?",
        variables=[_MODEL],
        failing="gateway",
    )
    _top(board, rules)
    board.row("Answers")
    _answers(board)
    board.row("Latency")
    board.add(
        parts.latency(
            _DURATION, _WHERE, "Completions", "the completions, as the gateway sees them"
        ),
        parts.spread(_DURATION, _WHERE, "Spread of completions", "the completions"),
        height=9,
    )
    board.row("Tokens")
    _tokens(board)
    return board


def _top(board: Board, rules: Rules) -> None:
    failed = f'sum(rate({_DURATION}_count{{{_WHERE}, error_type!=""}}[$__rate_interval]))'
    total = f"sum(rate({_DURATION}_count{{{_WHERE}}}[$__rate_interval]))"
    board.add(
        judged.tile(
            rules,
            "CircuitBreakerOpen",
            Meaning(
                "Breaker",
                "Whether the gateway still calls the model; while it does not, answers are made "
                "from the passages alone.",
                look.NUMBER,
                empty="no breaker yet",
                link=("Open", address("dependencies", "dependencies", component="llm")),
            ),
            "llm",
            summary="max",
            names=look.OPEN,
        ),
        panels.fact(
            Meaning("Completions", "Completions per second.", look.PER_SECOND),
            Query(total),
        ),
        panels.tile(
            Meaning(
                "Failed",
                "Share of the completions that failed. Click for the traces of those.",
                look.RATIO,
                link=failing_traces("gateway"),
            ),
            Query(f"({judged.quiet_or(failed, total)}) / {total}"),
            thresholds=look.steps(
                (rules.limit("http_server_errors:ratio"), look.BAD),
            ),
        ),
        panels.tile(
            Meaning(
                "Degraded",
                "Share of the gateway's answers that are made without the model.",
                look.RATIO,
                link=("Open the gateway", address("service", "service", service="gateway")),
            ),
            Query(f"({judged.quiet_or(_DEGRADED, _ANSWERS)}) / {_ANSWERS}"),
            thresholds=look.steps((rules.limit("circuit_breaker_rejected:ratio"), look.WARNING)),
        ),
        panels.tile(
            Meaning(
                "Completion, p95",
                "Seconds within which 95 % of the completions were done.",
                look.SECONDS,
            ),
            parts.quantiles(_DURATION, _WHERE)[1],
            thresholds=look.steps(
                (rules.limit("http_server_request_duration:seconds"), look.WARNING)
            ),
        ),
        panels.fact(
            Meaning("Tokens", "Tokens per second, read and written.", look.PER_SECOND, decimals=0),
            Query(f"sum(rate({_TOKENS}_sum{{{_WHERE}}}[$__rate_interval]))"),
        ),
        height=4,
    )


def _answers(board: Board) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Answers by outcome",
                "Answers of the gateway per second; degraded ones are made without the model.",
                look.PER_SECOND,
            ),
            Query(
                "sum by (outcome) (rate(gateway_answers_total[$__rate_interval]))", "{{outcome}}"
            ),
            stacked=True,
        ),
        panels.lines(
            Meaning(
                "Completions by error",
                "Completions per second; with the kind of error where they failed.",
                look.PER_SECOND,
            ),
            Query(
                f"label_replace(sum by (error_type) (rate({_DURATION}_count{{{_WHERE}}}"
                '[$__rate_interval])), "error_type", "none", "error_type", "")',
                "{{error_type}}",
            ),
            stacked=True,
        ),
        panels.lines(
            Meaning(
                "Where the time goes",
                "Mean seconds of a completion: as the gateway sees it, and in the model's own "
                "service. What lies between is the way and waiting.",
                look.SECONDS,
            ),
            Query(
                f"sum(rate({_DURATION}_sum{{{_WHERE}}}[$__rate_interval])) "
                f"/ sum(rate({_DURATION}_count{{{_WHERE}}}[$__rate_interval]))",
                "gateway",
            ),
            Query(
                "sum(rate(gen_ai_server_request_duration_seconds_sum[$__rate_interval])) "
                "/ sum(rate(gen_ai_server_request_duration_seconds_count[$__rate_interval]))",
                "llm",
            ),
        ),
        height=8,
    )


def _tokens(board: Board) -> None:
    by_type = f"sum by (gen_ai_token_type) (rate({_TOKENS}_sum{{{_WHERE}}}[$__rate_interval]))"
    board.add(
        panels.lines(
            Meaning(
                "Tokens",
                "Tokens per second: those of the prompts, and those of the completions.",
                look.PER_SECOND,
                decimals=0,
            ),
            Query(by_type, "{{gen_ai_token_type}}"),
            stacked=True,
        ),
        panels.lines(
            Meaning(
                "Tokens of a completion",
                "Mean number of tokens that one completion reads and writes.",
                look.COUNT,
            ),
            Query(f"{by_type} / {by_type.replace('_sum{', '_count{')}", "{{gen_ai_token_type}}"),
        ),
        height=8,
    )
