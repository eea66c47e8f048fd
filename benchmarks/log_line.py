"""One JSON log line with two fields, inside a sampled span."""

from __future__ import annotations

import json
import logging
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, cast

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pythonjsonlogger.json import JsonFormatter

import stack
from benchmarks.figures import Benchmark, Figure
from benchmarks.nowhere import NoOutput
from benchmarks.timing import Operation, compare

LINE = '{"timestamp": "2026-01-01T00:00:00.000Z", "level": "info", "message": "answered"}\n'


def run() -> Benchmark:
    """Compare with structlog and python-json-logger, each made to write the trace id too."""
    tracer = TracerProvider().get_tracer("benchmark")
    nowhere = NoOutput()
    operations = {"ours": _ours(), "structlog": _structlog(), "stdlib": _json_logger()}

    def bare() -> None:
        nowhere.write(LINE)

    with trace.use_span(tracer.start_span("request")):
        for name, operation in operations.items():
            _check(name, operation)
        with redirect_stdout(cast("Any", nowhere)):
            seconds = compare({"bare": bare, **operations})

    def figure(peer: str, name: str, goal: float | None) -> Figure:
        return Figure(
            "`get_logger(…).info`",
            seconds["ours"],
            bare=seconds["bare"],
            peer=peer,
            peer_value=seconds[name],
            goal_ratio=goal,
        )

    return Benchmark(
        "JSON log line, 2 fields, trace id",
        [
            figure("structlog, JSON", "structlog", 0.6),
            figure("python-json-logger", "stdlib", None),
        ],
        [
            "Bare is the write of a finished line. Ours also bounds and redacts every field, and"
            " counts the line in `log_entries_total`."
        ],
    )


def _check(name: str, operation: Operation) -> None:
    """Make sure that each writes what it is asked to: one line, all fields, the trace id."""
    with redirect_stdout(StringIO()) as written:
        operation()
    line = json.loads(written.getvalue())
    ids = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
    assert line["peer"] == "llm", name
    assert line["tokens"] == 256, name
    assert line["trace_id"] == ids, name


class _Stdout:
    """Writes to what is standard output at that moment, as our own output does."""

    def write(self, text: str) -> int:
        """Write a text."""
        import sys

        return sys.stdout.write(text)

    def flush(self) -> None:
        """Flush it."""
        import sys

        sys.stdout.flush()


def _ours() -> Operation:
    stack.setup("benchmark")
    log = stack.get_logger("benchmark")
    return lambda: log.info("answered", peer="llm", tokens=256)


def _structlog() -> Operation:
    def add_trace(_: object, __: str, event: dict[str, Any]) -> dict[str, Any]:
        context = trace.get_current_span().get_span_context()
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
        return event

    log = structlog.wrap_logger(
        structlog.PrintLogger(cast("Any", _Stdout())),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            cast("Any", add_trace),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    ).bind()
    return lambda: log.info("answered", peer="llm", tokens=256)


class _AddTrace(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        record.trace_id = trace.format_trace_id(context.trace_id)
        record.span_id = trace.format_span_id(context.span_id)
        return True


def _json_logger() -> Operation:
    handler = logging.StreamHandler(cast("Any", _Stdout()))
    handler.addFilter(_AddTrace())
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log = logging.getLogger("benchmark.peer")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return lambda: log.info("answered", extra={"peer": "llm", "tokens": 256})
