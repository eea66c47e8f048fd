"""Traces: the OpenTelemetry SDK, set up, bounded and counted."""

from stack.tracing.provider import configure, shutdown

__all__ = ["configure", "shutdown"]
