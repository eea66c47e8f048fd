"""Traces: the OpenTelemetry SDK, set up, bounded and counted."""

# First: it says what is wrong where OpenTelemetry's own import would stop.
import stack.tracing.propagation  # noqa: F401
from stack.tracing.provider import configure, shutdown

__all__ = ["configure", "shutdown"]
