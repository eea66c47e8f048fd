"""One log line: its core fields, and the caller's fields beside them."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

import orjson
from opentelemetry import trace

from stack.logs import context
from stack.logs.clean import clean, clean_field

# In the order in which they are written.
CORE = (
    "timestamp",
    "level",
    "logger",
    "event_type",
    "message",
    "service",
    "component",
    "request_id",
    "trace_id",
    "span_id",
    "duration_ms",
    "error_type",
    "error_message",
    "error_stack",
    "error_code",
)
# Core fields that a caller may give; the others are the library's own.
GIVEN = frozenset({"event_type", "component", "request_id", "duration_ms", "error_code"})
_ERROR = frozenset({"error_type", "error_message", "error_stack"})


def build(
    *,
    service: str,
    logger: str,
    level: str,
    message: object,
    fields: Mapping[str, Any],
    error: BaseException | None = None,
    created: float | None = None,
) -> dict[str, Any]:
    """Return the record of one line.

    A field whose name is a core field's that the caller may not set is kept as `extra.<name>`.

    Args:
        service: the service's name.
        logger: the logger's name.
        level: in small letters.
        message: any value; its text is written.
        fields: the caller's.
        error: the exception that the line is about.
        created: Unix seconds; now when not given.
    """
    given: dict[str, Any] = {**context.current(), **fields}
    own: dict[str, Any] = {
        "timestamp": timestamp(time.time() if created is None else created),
        "level": level,
        "logger": logger,
        "message": clean(message if isinstance(message, str) else _text(message)),
        "service": service,
        "component": service,
        **_trace_ids(),
    }
    if error is not None:
        own |= describe(error)
    extra: dict[str, Any] = {}
    for name, value in given.items():
        cleaned = clean_field(name, value)
        if name in GIVEN or (name in _ERROR and error is None):
            own[name] = cleaned
        elif name in CORE:
            extra[f"extra.{name}"] = cleaned
        else:
            extra[name] = cleaned
    return {name: own[name] for name in CORE if own.get(name) is not None} | extra


def encode(record: dict[str, Any]) -> bytes:
    """Return the record as one line of JSON, newline included; it never fails."""
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, ValueError) as error:
        # `clean` has made every value serialisable; this keeps a mistake there from losing lines.
        kept = {name: str(record.get(name, "")) for name in ("timestamp", "level", "logger")}
        kept["message"] = f"unserialisable record: {error}"
        return orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)


def timestamp(seconds: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, with milliseconds."""
    millis = int((seconds % 1) * 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{millis:03d}Z"


def describe(error: BaseException) -> dict[str, Any]:
    """Return the fields that tell of an exception, its causes included."""
    try:
        stack = "".join(traceback.format_exception(error))
    except Exception:
        stack = "".join(traceback.format_tb(error.__traceback__))
    return {
        "error_type": type(error).__qualname__,
        "error_message": clean(_text(error)),
        "error_stack": clean(stack),
    }


def current_exception() -> BaseException | None:
    """Return the exception being handled."""
    return sys.exc_info()[1]


def _trace_ids() -> dict[str, str]:
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__} without text]"
