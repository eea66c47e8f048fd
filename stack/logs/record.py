"""One log line: its core fields, and the caller's fields beside them."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from opentelemetry import trace

from stack.logs import context
from stack.logs.clean import REDACTED, clean, clean_text, looks_secret, shown

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
_CORE = frozenset(CORE)
_ERROR = ("error_type", "error_message", "error_stack", "error_code")
# What reads lines, such as Docker's log driver or Loki, cuts or refuses longer ones.
MAX_LINE_BYTES = 65_536


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
    """Return the record of one line; it never raises, whatever it is given.

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
    record: dict[str, Any] = {
        "timestamp": timestamp(time.time() if created is None else created),
        "level": level,
        "logger": logger,
    }
    given: dict[str, Any] = {**context.current(), **fields}
    if "event_type" in given:
        _move(given, "event_type", record)
    record["message"] = clean(message if type(message) is str else shown(message))
    record["service"] = record["component"] = service
    if "component" in given:
        _move(given, "component", record)
        # Lines are counted by it, so it is a text.
        record["component"] = shown(record["component"])
    if "request_id" in given:
        _move(given, "request_id", record)
    try:
        _add_trace(record)
        if "duration_ms" in given:
            _move(given, "duration_ms", record)
        if error is not None:
            record |= describe(error)
        _add_fields(record, given, error)
    except Exception as failed:
        # What is known already is a line that says who wrote it and what.
        record["incomplete"] = type(failed).__qualname__
    return record


def _add_fields(record: dict[str, Any], given: dict[str, Any], error: object) -> None:
    if not given.keys().isdisjoint(_ERROR):
        # An exception speaks for itself, but for its code.
        for name in _ERROR if error is None else ("error_code",):
            _move(given, name, record)
    for name, value in given.items():
        record[f"extra.{name}" if name in _CORE else name] = (
            REDACTED if looks_secret(name) else clean(value)
        )


def _add_trace(record: dict[str, Any]) -> None:
    """Add the ids that lead to the trace, inside of one."""
    span = trace.get_current_span()
    if span is not trace.INVALID_SPAN:
        ids = span.get_span_context()
        if ids.is_valid:
            record["trace_id"] = ids.trace_id.to_bytes(16).hex()
            record["span_id"] = ids.span_id.to_bytes(8).hex()


def _move(given: dict[str, Any], name: str, record: dict[str, Any]) -> None:
    """Move a core field that the caller gives into the record; None means that it does not."""
    value = given.pop(name, None)
    if value is not None:
        record[name] = clean(value)


def encode(record: dict[str, Any]) -> bytes:
    """Return the record as one line of JSON, newline included; it never fails.

    A longer one than `MAX_LINE_BYTES` loses the fields that do not fit, and says how many.
    """
    try:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, ValueError):
        # `clean` has made every value serialisable; what is left are names and what is ours.
        record = {clean_text(shown(name)): clean(value) for name, value in record.items()}
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    return line if len(line) <= MAX_LINE_BYTES else _shortened(record)


def _shortened(record: Mapping[str, Any]) -> bytes:
    # Some of it is kept for the line's frame and for the number of fields left out.
    room = MAX_LINE_BYTES - 100
    kept: dict[str, Any] = {}
    for name, value in record.items():
        size = len(orjson.dumps({name: value}))
        if size <= room:
            kept[name] = value
            room -= size
    kept["fields_left_out"] = len(record) - len(kept)
    return orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)


def timestamp(seconds: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, with milliseconds."""
    whole = math.floor(seconds)
    return f"{_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def describe(error: BaseException) -> dict[str, Any]:
    """Return the fields that tell of an exception, its causes included."""
    try:
        stack = "".join(traceback.format_exception(error))
    except Exception:
        stack = "".join(traceback.format_tb(error.__traceback__))
    return {
        "error_type": type(error).__qualname__,
        "error_message": clean(shown(error)),
        "error_stack": clean(stack),
    }


def current_exception() -> BaseException | None:
    """Return the exception being handled."""
    return sys.exc_info()[1]
