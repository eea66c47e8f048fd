"""Sending spans away: bounded, counted, and silent about an outage after saying it once."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from threading import RLock
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stack.logs.clean import without_credentials
from stack.tracing import events
from stack.tracing.repair import encodable

_log = logging.getLogger(__name__)

# More than may end a span at the same moment.
_MOST_THREADS = 1024


class CountingExporter(SpanExporter):
    """Wraps an exporter: counts what it sent and failed to send, and reports an outage once.

    Used by one exporting thread at a time.

    Args:
        exporter: what sends.
        endpoint: where to, for the log; without the credentials that it may hold.
    """

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = without_credentials(endpoint)
        self._down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; a failure is counted, never raised."""
        reason = "no answer or a refusal"
        sendable = spans
        try:
            try:
                result = self._exporter.export(spans)
            except Exception:
                # What cannot be encoded must not cost the other spans of its batch.
                sendable = encodable(spans)
                result = self._exporter.export(sendable)
        except Exception as error:
            result = SpanExportResult.FAILURE
            reason = without_credentials(f"{type(error).__name__}: {error}")
        sent = result is SpanExportResult.SUCCESS
        events.publish("exported" if sent else "failed", len(sendable))
        if len(sendable) < len(spans):
            events.publish("failed", len(spans) - len(sendable))
        self._say_once(sent, reason)
        return result

    def shutdown(self) -> None:
        """Close the wrapped exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the wrapped exporter."""
        return self._exporter.force_flush(timeout_millis)

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
    """A batch processor that counts every span it does not send. Thread-safe, fork-safe.

    Args:
        exporter: where batches go.
        shutdown_timeout: seconds that `shutdown` may take to send what is queued.
        options: those of the SDK's batch processor.
    """

    def __init__(
        self, exporter: SpanExporter, *, shutdown_timeout: float = 5.0, **options: Any
    ) -> None:
        super().__init__(exporter, **options)
        self._shutdown_timeout = shutdown_timeout
        self._lock = RLock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Spans are of interest when they end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span that is sampled, or count it as dropped."""
        if not span.context.trace_flags.sampled:
            return
        batches = self._batch_processor
        # Far from full no lock is needed, for which threads would queue: each adds one at most.
        if len(batches._queue) + _MOST_THREADS < batches._max_queue_size and not batches._shutdown:
            batches.emit(span)
            return
        with self._lock:
            taken = len(batches._queue) < batches._max_queue_size and not batches._shutdown
            if taken:
                batches.emit(span)
        if not taken:
            events.publish("dropped", 1)

    def shutdown(self) -> None:
        """Send what is queued within the deadline; what is left is counted as dropped."""
        self._batch_processor.shutdown(timeout_millis=round(self._shutdown_timeout * 1000))
        left = len(self._batch_processor._queue)
        self._batch_processor._queue.clear()
        if left:
            events.publish("dropped", left)

    def _renew_lock(self) -> None:
        self._lock = RLock()
