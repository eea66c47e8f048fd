"""Lines that are written in many places, in one form. Thread-safe, fork-safe; nothing raises."""

from __future__ import annotations

import time
from typing import Any

from stack.logs.clean import shown
from stack.logs.logger import get_logger

_log = get_logger("stack")


def log_event(event_type: str, **fields: Any) -> None:
    """Write that something of that type happened.

    Args:
        event_type: what happened, such as `order_paid`.
        fields: anything; `level` (info when not given) and `message` are taken as such.
    """
    level = str(fields.pop("level", "info"))
    message = fields.pop("message", event_type)
    _log.log(level, message, event_type=event_type, **fields)


def log_error(error: BaseException, **fields: Any) -> None:
    """Write an exception with its stack and causes.

    Args:
        error: the exception.
        fields: anything; `message` stands for the exception's own text.
    """
    message = fields.pop("message", None) or shown(error) or type(error).__qualname__
    _log.log("error", message, **{"event_type": "error", **fields, "exc": error})


def log_performance(operation: str, duration_ms: float, **fields: Any) -> None:
    """Write how long an operation took.

    Args:
        operation: what was timed.
        duration_ms: milliseconds.
        fields: further fields of the line.
    """
    _write_duration(operation, duration_ms, fields)


def log_mcp_tool(
    tool_name: str, status: str, duration_ms: float | None = None, **fields: Any
) -> None:
    """Write the call of a model's tool.

    Args:
        tool_name: the tool.
        status: `success`, or what went wrong, which is written as an error.
        duration_ms: milliseconds that it took.
        fields: further fields of the line.
    """
    _log.log(
        "info" if status == "success" else "error",
        f"tool {tool_name}: {status}",
        **{
            "event_type": "mcp_tool",
            **fields,
            "tool_name": tool_name,
            "status": status,
            "duration_ms": duration_ms,
        },
    )


def _write_duration(operation: str, milliseconds: float, fields: dict[str, Any]) -> None:
    known = isinstance(milliseconds, (int, float))
    merged = {
        "event_type": "performance",
        **fields,
        "operation": operation,
        "duration_ms": round(milliseconds, 3) if known else milliseconds,
    }
    _log.log("info", operation, **merged)


class LogPerformance:
    """Times a `with` or `async with` block and writes how long it took, also when it fails.

    Args:
        operation: what is timed.
        fields: further fields of the line; its `operation`, `outcome` (success or failure) and
            `duration_ms` (milliseconds) are this object's own.
    """

    def __init__(self, operation: str, **fields: Any) -> None:
        self._operation = operation
        self._fields = fields

    def __enter__(self) -> LogPerformance:
        self._started = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        outcome = "success" if error is None else "failure"
        elapsed = (time.perf_counter() - self._started) * 1000
        _write_duration(self._operation, elapsed, {**self._fields, "outcome": outcome})

    async def __aenter__(self) -> LogPerformance:
        """Start the time, as `with` does."""
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)
