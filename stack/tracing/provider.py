"""The OpenTelemetry SDK, set up from `Settings`."""

from __future__ import annotations

# Before any provider: its handler in a forked child starts a pool, whose lock is renewed only
# by a handler that was registered earlier; the child would wait for that lock for ever.
import concurrent.futures.thread  # noqa: F401
import logging
import os
import socket
from importlib.metadata import version as distribution_version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from stack.settings import Settings
from stack.tracing.export import BoundedSpanProcessor, CountingExporter
from stack.tracing.joining import JoiningIdGenerator

_log = logging.getLogger(__name__)

_provider: TracerProvider | None = None


def configure(settings: Settings, service: str, version: str) -> TracerProvider | None:
    """Make the process-wide tracer provider, once.

    A provider that the application has set itself is respected: its spans go where it says.
    The SDK renews its exporting thread and queue in a forked child by itself.

    Args:
        settings: exporter, endpoint, sampler and bounds.
        service: `service.name` of every span.
        version: `service.version` of every span.

    Returns:
        The provider in use; None when tracing is disabled or the application has its own.
    """
    global _provider  # noqa: PLW0603
    if _provider is not None or settings.sdk_disabled:
        return _provider
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    provider = TracerProvider(
        sampler=_sampler(settings),
        resource=_resource(settings, service, version),
        id_generator=JoiningIdGenerator(),
    )
    if settings.traces_exporter == "otlp":
        _export(provider, settings)
    trace.set_tracer_provider(provider)
    _provider = provider
    return provider


def shutdown() -> None:
    """Send what is queued, for 5 seconds at most, and stop exporting."""
    if _provider is not None:
        _provider.shutdown()


def _export(provider: TracerProvider, settings: Settings) -> None:
    # The exporter's own repeated complaints are replaced by one line at each change.
    for noisy in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(endpoint=settings.traces_endpoint, timeout=settings.traces_timeout)
    provider.add_span_processor(
        BoundedSpanProcessor(
            CountingExporter(exporter, settings.traces_endpoint),
            max_queue_size=settings.span_queue_size,
            max_export_batch_size=settings.span_batch_size,
            schedule_delay_millis=settings.span_schedule_delay * 1000,
        )
    )


def _resource(settings: Settings, service: str, version: str) -> Resource:
    return Resource.create(
        {
            **settings.resource_attributes,
            "service.name": service,
            "service.version": version,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "telemetry.distro.name": "stack",
            "telemetry.distro.version": distribution_version("stack"),
        }
    )


def _sampler(settings: Settings) -> Sampler:
    roots: dict[str, Sampler] = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(settings.traces_sampler_ratio),
    }
    sampler = roots[settings.traces_sampler.removeprefix("parentbased_")]
    by_parent = settings.traces_sampler.startswith("parentbased_")
    return ParentBased(sampler) if by_parent else sampler
