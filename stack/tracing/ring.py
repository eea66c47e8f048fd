"""The last finished traces, kept in this process for tests, examples and a look at its state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import RLock

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from stack.tracing.jaeger_json import spans_of
from stack.tracing.jaeger_span import JaegerSpan
from stack.tracing.repair import encodable


class TraceRing(SpanProcessor):
    """Keeps the spans of the newest traces.

    Thread-safe, also where a signal handler or a `__del__` ends a span; a forked child begins with
    none.

    Args:
        max_traces: complete traces kept, and as many under way; a new one takes the place of the
            oldest of its kind, so that many short traces do not cut a long one in two.
        max_spans: spans kept of one trace; further ones are counted in `dropped`.
    """

    def __init__(self, max_traces: int = 100, max_spans: int = 512) -> None:
        self._max_traces = max_traces
        self._max_spans = max_spans
        self._lock = RLock()
        self._under_way: dict[int, list[ReadableSpan]] = {}
        self._complete: dict[int, list[ReadableSpan]] = {}
        self.dropped = 0
        os.register_at_fork(after_in_child=self._begin_anew)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a finished span that is sampled."""
        context = span.context
        if not context.trace_flags.sampled:
            return
        trace_id = context.trace_id
        is_first = span.parent is None or span.parent.is_remote
        spans = self._under_way.get(trace_id)
        # Most spans are neither the first to end nor the last: a list takes them without a lock,
        # for which threads would queue.
        if spans is not None and not is_first and len(spans) < self._max_spans:
            spans.append(span)
            return
        with self._lock:
            spans = self._under_way.get(trace_id)
            if spans is None:
                spans = self._complete.get(trace_id)
            if spans is None:
                spans = self._keep(self._under_way, trace_id, [])
            if len(spans) < self._max_spans:
                spans.append(span)
            else:
                self.dropped += 1
            # The first span of this process in a trace ends last.
            if is_first and trace_id in self._under_way:
                self._keep(self._complete, trace_id, self._under_way.pop(trace_id))

    def trace(self, trace_id: int) -> list[ReadableSpan]:
        """Return a trace's finished spans in the order in which they ended."""
        with self._lock:
            return list(self._complete.get(trace_id) or self._under_way.get(trace_id) or ())

    def completed(self) -> list[list[ReadableSpan]]:
        """Return the traces whose first span here has ended, the oldest first."""
        with self._lock:
            return [list(spans) for spans in self._complete.values()]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._under_way.clear()
            self._complete.clear()
            self.dropped = 0

    def _keep(
        self, traces: dict[int, list[ReadableSpan]], trace_id: int, spans: list[ReadableSpan]
    ) -> list[ReadableSpan]:
        traces[trace_id] = spans
        if len(traces) > self._max_traces:
            del traces[next(iter(traces))]
        return spans

    def _begin_anew(self) -> None:
        self._lock = RLock()
        self.clear()


def as_jaeger(spans: Sequence[ReadableSpan]) -> list[JaegerSpan]:
    """Return spans in Jaeger's form; what cannot be encoded costs no other span."""
    try:
        return spans_of(encode_spans(spans))[0]
    except Exception:
        return spans_of(encode_spans(encodable(spans)))[0]
