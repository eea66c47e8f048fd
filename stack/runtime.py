"""Starting the pillars and connecting the events of one to the others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import stack.breaker.events as breaker_events
import stack.logs.events as log_events
import stack.tracing.events as tracing_events
from stack import logs, tracing
from stack.logs import on_breaker as logs_on_breaker
from stack.metrics import get_prometheus_collector, instruments
from stack.metrics import on_breaker as metrics_on_breaker
from stack.settings import Settings
from stack.tracing import on_breaker as tracing_on_breaker

if TYPE_CHECKING:
    from stack.tracing.tracer import OTelTracer


@dataclass(frozen=True, slots=True)
class Runtime:
    """What `setup` has set up."""

    service: str
    version: str
    settings: Settings


_runtime: Runtime | None = None
_tracer: OTelTracer | None = None
_lock = Lock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = Lock()


# Another thread may have held it at the fork.
os.register_at_fork(after_in_child=_renew_lock)


def setup(service: str, *, version: str | None = None, settings: Settings | None = None) -> Runtime:
    """Start metrics, traces and logs for this process, once.

    A process is one service: the first call decides its name, later ones change nothing.
    Thread-safe; what it starts renews itself in a forked child.

    Args:
        service: the service's name in every series, span and log line.
        version: its version; `STACK_SERVICE_VERSION` when not given.
        settings: where they do not come from the environment.

    Raises:
        ConfigurationError: an environment variable holds something that cannot be used.
    """
    global _runtime  # noqa: PLW0603
    with _lock:
        if _runtime is None:
            used = settings or Settings.from_env()
            runtime = Runtime(service, version or used.service_version, used)
            _start(runtime)
            _runtime = runtime
        return _runtime


def current() -> Runtime | None:
    """Return what the first `setup` has set up; None before it."""
    return _runtime


def setup_otel_tracer(service_name: str) -> OTelTracer:
    """Set up the process as that service, if nothing has yet, and return its tracer.

    Raises:
        ConfigurationError: an environment variable holds something that cannot be used.
    """
    global _tracer  # noqa: PLW0603
    setup(service_name)
    with _lock:
        if _tracer is None:
            # Imported late: a service that does without the façade does without its memory too.
            from stack.tracing.tracer import OTelTracer

            provider = trace.get_tracer_provider()
            # Where tracing is off, or another library's, spans end here.
            own = provider if isinstance(provider, TracerProvider) else TracerProvider()
            _tracer = OTelTracer(own)
        return _tracer


def get_otel_tracer() -> OTelTracer:
    """Return the process's tracer; its service is the environment's where none is set up."""
    return setup_otel_tracer(Settings.from_env().service_name if _runtime is None else "")


def kept_traces() -> list[dict[str, Any]]:
    """Return the traces that the process's tracer keeps, in Jaeger's form; none without one."""
    traces: list[dict[str, Any]] = _tracer.export_jaeger_format()["data"] if _tracer else []
    return traces


def _start(runtime: Runtime) -> None:
    settings = runtime.settings
    logs.configure(runtime.service, settings.log_level, settings.log_max_repeats)
    log_events.subscribe(get_prometheus_collector().record_log_entry)
    log_events.subscribe_held(instruments.record_held_line)
    tracing_events.subscribe(instruments.record_spans)
    for pillar in (metrics_on_breaker, tracing_on_breaker, logs_on_breaker):
        breaker_events.subscribe(pillar.listen)
    instruments.publish_build(runtime.service, runtime.version)
    tracing.configure(runtime.settings, runtime.service, runtime.version)
