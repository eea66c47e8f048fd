"""Where spans and lines go that only their making is measured of."""

from __future__ import annotations

import io
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class NoExporter(SpanExporter):
    """Takes every span and sends none."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take a batch."""
        return SpanExportResult.SUCCESS


class NoOutput(io.TextIOBase):
    """A stream that forgets what is written."""

    def write(self, text: str, /) -> int:
        """Take a text."""
        return len(text)
