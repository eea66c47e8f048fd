"""Sending spans away: bounded, counted, and silent about an outage after saying it once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stack.tracing import events
from stack.tracing.attributes import repaired

_log = logging.getLogger(__name__)


class CountingExporter(SpanExporter):
    """Wraps an exporter: counts what it sent and failed to send, and reports an outage once.

    Used by one exporting thread at a time.
    """

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; a failure is counted, never raised."""
        reason = "no answer or a refusal"
        try:
            result = self._export(spans)
        except Exception as error:
            result = SpanExportResult.FAILURE
            reason = f"{type(error).__name__}: {error}"
        sent = result is SpanExportResult.SUCCESS
        events.publish("exported" if sent else "failed", len(spans))
        self._say_once(sent, reason)
        return result

    def shutdown(self) -> None:
        """Close the wrapped exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the wrapped exporter."""
        return self._exporter.force_flush(timeout_millis)

    def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._exporter.export(spans)
        except Exception:
            # A value that cannot be encoded must not cost the other spans of its batch.
            return self._exporter.export([repaired(span) for span in spans])

    def _say_once(self, sent: bool, reason: str) -> None:
        if sent and self._down:
            _log.warning("traces are accepted again by %s", self._endpoint)
        elif not sent and not self._down:
            _log.warning(
                "traces are not accepted by %s (%s); the service goes on, spans queue up to a "
                "bound and are then dropped and counted in telemetry_spans_total",
                self._endpoint,
                reason,
            )
        self._down = not sent


class BoundedSpanProcessor(BatchSpanProcessor):
    """A batch processor that counts the spans its full queue turns away."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span, or count it as dropped."""
        queue = self._batch_processor._queue
        if len(queue) >= self._batch_processor._max_queue_size and span.context.trace_flags.sampled:
            events.publish("dropped", 1)
            return
        super().on_end(span)

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Spans are of interest when they end."""
