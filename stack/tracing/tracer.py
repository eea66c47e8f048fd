"""The façade: spans in a few calls, on the OpenTelemetry SDK that the service runs with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider

from stack.tracing import joining
from stack.tracing.attributes import clean_all, clean_text, shown
from stack.tracing.jaeger_json import traces_of
from stack.tracing.ring import TraceRing, as_jaeger
from stack.tracing.span import EventType, Span


class OTelTracer:
    """Makes spans and keeps the last hundred traces. Thread-safe, asyncio-safe, fork-safe.

    Spans go where the process's tracer provider sends them; what is kept here is a copy. With
    `OTEL_SDK_DISABLED=true` they do nothing, none is kept, and their ids are all zeros.

    Args:
        provider: where spans are made.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("stack")
        if isinstance(self._tracer, Tracer):
            # An application's own provider knows nothing of traces to join; its ids stay its own.
            self._tracer.id_generator = joining.joining(provider.id_generator)
        self._ring = TraceRing()
        provider.add_span_processor(self._ring)

    def start_span(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        parent: Span | None = None,
    ) -> Span:
        """Begin a span; it is current only in a `with` block.

        Args:
            name: what is done, without values that differ from call to call.
            attributes: of any type.
            parent: the current span when not given.
        """
        context = trace.set_span_in_context(parent.otel) if parent is not None else None
        plain = name if type(name) is str and name.isascii() else clean_text(shown(name))
        return Span(self._tracer.start_span(plain, context, attributes=clean_all(attributes)))

    @contextmanager
    def span_context(
        self, name: str, attributes: Mapping[str, Any] | None = None
    ) -> Iterator[Span]:
        """Make a span current for a block; an exception marks it as failed and goes on.

        Args:
            name: what is done, without values that differ from call to call.
            attributes: of any type.
        """
        with self.start_span(name, attributes) as span:
            yield span

    def end_span(self, span: Span, status: str = "ok") -> None:
        """End a span.

        Args:
            span: the span.
            status: `ok` or `error`, in any case.

        Raises:
            ValueError: another status.
        """
        known = str(status).lower()
        if known not in {"ok", "error"}:
            raise ValueError(f"status={status!r} is not valid: must be ok or error")
        span.end(success=known == "ok")

    def record_event(
        self,
        span: Span,
        event_type: EventType | str,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that something happened in a span.

        Args:
            span: where.
            event_type: what, one of `EventType` or a text of its own.
            attributes: of any type.
        """
        span.add_event(str(event_type), attributes)

    def record_error(
        self,
        span: Span,
        message: BaseException | str,
        error_type: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Mark a span as failed; no later success takes that back.

        Args:
            span: the span.
            message: the exception, or what went wrong in words.
            error_type: its class; of an exception the name of its type when not given.
            attributes: of any type, which say more about it.
        """
        for key, value in (attributes or {}).items():
            span.set_attribute(key, value)
        span.record_error(message, error_type)

    def set_span_attribute(self, span: Span, key: str, value: Any) -> None:
        """Set an attribute.

        Args:
            span: the span.
            key: the attribute's name.
            value: of any type; it is made one that can be exported.
        """
        span.set_attribute(key, value)

    def get_active_span(self) -> Span | None:
        """Return the current span; None outside of one."""
        current = trace.get_current_span()
        return Span(current) if current.get_span_context().is_valid else None

    def get_trace(self, trace_id: str) -> list[ReadableSpan]:
        """Return a trace's finished spans that are still kept; none for an unknown id.

        Args:
            trace_id: 32 hex digits.

        Raises:
            ValueError: it is no trace id.
        """
        return self._ring.trace(joining.parse_trace_id(trace_id))

    def get_completed_traces(self) -> list[list[ReadableSpan]]:
        """Return the last traces whose first span has ended, the oldest first."""
        return self._ring.completed()

    def export_jaeger_format(self) -> dict[str, Any]:
        """Return the completed traces as Jaeger's JSON, which its page and trace stores load."""
        spans = [s for kept in self.get_completed_traces() for s in as_jaeger(kept)]
        return {"data": traces_of(spans)}

    def set_trace_context(self, trace_id: str) -> None:
        """Let the following spans without a parent, in this thread or task, join a trace.

        Those of this object do with any provider; others only where `stack` has made the provider.

        Args:
            trace_id: 32 hex digits, not all zero.

        Raises:
            ValueError: it is no trace id.
        """
        joining.join(trace_id)

    def clear_context(self) -> None:
        """Leave the joined trace and the current span, in this thread or task."""
        joining.leave()
        otel_context.attach(otel_context.Context())

    def reset(self) -> None:
        """Forget the traces kept here."""
        self._ring.clear()
