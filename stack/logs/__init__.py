"""Structured logs: one JSON object a line, with the ids that lead to the trace."""

from stack.logs.context import LogContext, clear_context, get_current_context, set_context
from stack.logs.helpers import (
    LogPerformance,
    log_error,
    log_event,
    log_mcp_tool,
    log_performance,
)
from stack.logs.logger import Logger, configure, get_logger
from stack.logs.reading import filter_logs, parse_json_log_file

__all__ = [
    "LogContext",
    "LogPerformance",
    "Logger",
    "clear_context",
    "configure",
    "filter_logs",
    "get_current_context",
    "get_logger",
    "log_error",
    "log_event",
    "log_mcp_tool",
    "log_performance",
    "parse_json_log_file",
    "set_context",
]
