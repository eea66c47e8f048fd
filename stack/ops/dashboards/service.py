"""One service: rate, errors, duration, what it is short of, what it logs."""

from __future__ import annotations

from grafana_foundation_sdk.models.common import BigValueTextMode

from stack.ops.dashboards import judged, look, panels, parts
from stack.ops.dashboards.board import Board, Variable, failing_traces
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules

_WHERE = 'service="$service"'
_SERVICE = Variable("service", "service", "http_server_max_active_requests", first="gateway")


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "service",
        "Service",
        "How does one service do: rate, errors, duration, saturation?",
        variables=[_SERVICE],
        failing="$service",
    )
    _top(board, rules)
    board.row("Requests")
    parts.red_row(board, _WHERE, "$service")
    board.row("Latency")
    board.add(
        parts.latency(parts.HTTP, _WHERE, "Latency", "the requests to $service"),
        parts.spread(parts.HTTP, _WHERE, "Spread of latency", "the requests to $service"),
        height=9,
    )
    board.row("Saturation")
    _saturation(board, rules)
    board.row("Logs and spans")
    _telemetry(board)
    return board


def _top(board: Board, rules: Rules) -> None:
    board.add(
        panels.tile(
            Meaning("Up", "Whether Prometheus gets an answer from $service.", look.NUMBER),
            Query(f"min(up{{{_WHERE}}})"),
            thresholds=look.steps(base=look.GREY),
            names=look.UP,
        ),
        panels.fact(
            Meaning("Requests", "Requests per second to $service.", look.REQUESTS),
            Query(f"sum(rate({parts.HTTP}_count{{{_WHERE}}}[$__rate_interval]))"),
        ),
        judged.tile(
            rules,
            "HighErrorRatio",
            Meaning(
                "Errors",
                "Share of the requests of 5 minutes that were answered with 5xx; "
                "HighErrorRatio fires where this turns red. Click for the traces of those.",
                look.RATIO,
                empty="no requests",
                link=failing_traces("$service"),
            ),
            "service",
            total='service:http_server_requests:rate5m{service="$service"}',
        ),
        judged.tile(
            rules,
            "HighLatency",
            Meaning(
                "Latency, p95",
                "Seconds within which 95 % of the requests of 5 minutes were answered; "
                "HighLatency fires where this turns orange.",
                look.SECONDS,
            ),
            "service",
        ),
        panels.dial(
            Meaning(
                "Threads busy",
                "Share of the threads that serve requests which were busy over a minute; "
                "WorkersBusy fires where this turns orange.",
                look.RATIO,
            ),
            Query(judged.measured(rules, "WorkersBusy", "service")),
            thresholds=look.steps(judged.limit(rules, "WorkersBusy")),
        ),
        panels.fact(
            Meaning("Version", "Which version of the library runs.", look.NUMBER),
            Query(f"max by (version) (stack_build_info{{{_WHERE}}})", "{{version}}"),
        ).text_mode(BigValueTextMode.NAME),
        height=4,
    )


def _saturation(board: Board, rules: Rules) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Threads",
                "Requests that are being served, and threads there are for them: at the upper "
                "line further ones wait.",
                look.NUMBER,
                decimals=0,
            ),
            Query(f"sum(http_server_active_requests{{{_WHERE}}})", "busy"),
            Query(f"sum(http_server_max_active_requests{{{_WHERE}}})", "there are"),
        ),
        judged.lines(
            rules,
            "WorkersBusy",
            Meaning(
                "Share of threads busy",
                "The same as a share, of the last minute; above the line WorkersBusy fires.",
                look.RATIO,
            ),
            "{{service}}",
            "service",
            maximum=1,
        ),
        panels.lines(
            Meaning("Processor", "Processors that $service keeps busy.", look.NUMBER, decimals=2),
            Query(
                f"sum(rate(process_cpu_seconds_total{{{_WHERE}}}[$__rate_interval]))", "$service"
            ),
        ),
        panels.lines(
            Meaning("Memory", "Memory that the processes of $service hold.", look.BYTES),
            Query(f"sum(process_resident_memory_bytes{{{_WHERE}}})", "$service"),
        ),
        height=8,
    )


def _telemetry(board: Board) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Log lines",
                "Lines per second that $service writes, by level. `make logs SERVICE=$service` "
                "shows them; a trace has its own by trace_id.",
                look.PER_SECOND,
            ),
            Query(
                f"sum by (level) (rate(log_entries_total{{{_WHERE}}}[$__rate_interval]))",
                "{{level}}",
            ),
            stacked=True,
        ),
        parts.spans(f"{{{_WHERE}}}", "$service"),
        panels.lines(
            Meaning("Open files", "File descriptors that $service holds.", look.COUNT),
            Query(f"sum(process_open_fds{{{_WHERE}}})", "$service"),
        ),
        height=8,
    )
