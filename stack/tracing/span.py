"""A span as the façade gives it: any attribute, any order of calls, nothing raises."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from enum import StrEnum
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span as OTelSpan
from opentelemetry.trace import Status, StatusCode

from stack.tracing.attributes import (
    clean,
    clean_all,
    clean_text,
    exception_attributes,
    shown,
)


class EventType(StrEnum):
    """What happened inside of a span."""

    STARTED = "started"
    PROGRESS = "progress"
    RETRY = "retry"
    FALLBACK = "fallback"
    CACHE_HIT = "cache_hit"
    CACHE_MISS = "cache_miss"
    STATE_CHANGED = "state_changed"
    ERROR = "error"
    FINISHED = "finished"


class Span:
    """Wraps a span of the SDK. As a context manager it is the current span of its block.

    Thread-safe, but for the block: that is left in the thread or task that entered it.
    """

    __slots__ = ("_failed", "_token", "otel")

    def __init__(self, otel: OTelSpan) -> None:
        self.otel = otel
        self._failed = False
        self._token: Token[otel_context.Context] | None = None

    @property
    def trace_id(self) -> str:
        """The trace's id: 32 hex digits."""
        return trace.format_trace_id(self.otel.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The span's id: 16 hex digits."""
        return trace.format_span_id(self.otel.get_span_context().span_id)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute.

        Args:
            key: its name.
            value: of any type; it is made one that can be exported.
        """
        self.otel.set_attribute(_name(key), clean(value))

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Note that something happened now.

        Args:
            name: what happened.
            attributes: of any type.
        """
        self.otel.add_event(_name(name), clean_all(attributes))

    def record_error(self, error: BaseException | str, error_type: str | None = None) -> None:
        """Mark the span as failed; no later success takes that back.

        Args:
            error: the exception, or what went wrong in words.
            error_type: its class; of an exception the name of its type when not given.
        """
        self._failed = True
        if isinstance(error, BaseException):
            kind = error_type or type(error).__qualname__
            self.otel.add_event("exception", exception_attributes(error))
        else:
            kind = error_type or "error"
            self.otel.add_event("exception", clean_all({"exception.message": error}))
        self.otel.set_attribute("error.type", clean(kind))
        self.otel.set_status(Status(StatusCode.ERROR, clean_text(shown(error))))

    def end(self, success: bool = True) -> None:
        """End the span; the second time does nothing.

        Args:
            success: without it the span has failed.
        """
        if not success and not self._failed:
            self.record_error("failed")
        self.otel.end()

    def __enter__(self) -> Span:
        self._token = otel_context.attach(trace.set_span_in_context(self.otel))
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        if isinstance(error, Exception):
            self.record_error(error)
        self.end()


def _name(name: str) -> str:
    return name if type(name) is str and name.isascii() else clean_text(shown(name))
