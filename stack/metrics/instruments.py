"""The instruments of the metrics contract that are not about one component, and how to use them.

They live on prometheus_client's default registry and follow OpenTelemetry's semantic conventions
in Prometheus form. Every function here is thread-safe and fork-safe, may be called by a signal
handler, and costs a few microseconds.
"""

from __future__ import annotations

import os
from functools import cache
from threading import RLock

from opentelemetry import trace
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics

from stack.metrics.bound import Add, BoundHistogram, bound_number
from stack.metrics.locks import make_reentrant, renew_registry_in_children

# The bucket boundaries, in seconds, that OpenTelemetry's HTTP conventions advise.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# `_created` series double the number of series and no rule or panel reads them.
disable_created_metrics()

_SERVER_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "Time from the first byte of a request to the last byte of its response.",
    ("http_request_method", "http_route", "http_response_status_code"),
    buckets=DURATION_BUCKETS,
)
_SERVER_ACTIVE = Gauge(
    "http_server_active_requests",
    "Requests being served now.",
    ("http_request_method",),
    multiprocess_mode="livesum",
)
_CLIENT_DURATION = Histogram(
    "http_client_request_duration_seconds",
    "Time of one attempt of an outgoing request, to the last byte of the response.",
    ("peer_service", "http_request_method", "http_response_status_code", "error_type"),
    buckets=DURATION_BUCKETS,
)
_RETRIES = Counter(
    "retry_attempts_total",
    "Attempts of calls that may be retried, by what came of them.",
    ("component", "outcome"),
)
_HELD_LINES = Counter(
    "log_entries_suppressed_total",
    "Log records that were counted but not written, because they repeat others.",
    ("level",),
)
_SPANS = Counter("telemetry_spans_total", "Finished spans by what became of them.", ("outcome",))
_BUILD = Gauge(
    "stack_build_info",
    "Always 1; its labels say what runs.",
    ("service", "version"),
    multiprocess_mode="max",
)


for _family in (_SERVER_DURATION, _SERVER_ACTIVE, _CLIENT_DURATION, _RETRIES, _HELD_LINES, _SPANS):
    make_reentrant(_family)
renew_registry_in_children(REGISTRY)

# Keeps threads apart that write to the series.
_lock = RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = RLock()


os.register_at_fork(after_in_child=_renew_lock)


def exemplar() -> dict[str, str] | None:
    """Return the current sampled span as an exemplar's labels; None outside of one."""
    span = trace.get_current_span()
    if span is trace.INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    # Quicker than a format of 128 bits.
    trace_id, span_id = context.trace_id.to_bytes(16).hex(), context.span_id.to_bytes(8).hex()
    return {"trace_id": trace_id, "span_id": span_id}


def record_server_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count and time one served request.

    Args:
        method: the HTTP method, one of few.
        route: the template, never the raw path.
        status: the response's status.
        seconds: from the first byte of the request to the last of the response.
    """
    series = _histogram(_SERVER_DURATION, method, route, status)
    labels = exemplar()
    with _lock:
        series.observe(seconds, labels)


def server_request_began(method: str) -> None:
    """Count a request as being served."""
    add = _number(_SERVER_ACTIVE, method)
    with _lock:
        add(1.0)


def server_request_ended(method: str) -> None:
    """Count a request as no longer being served."""
    add = _number(_SERVER_ACTIVE, method)
    with _lock:
        add(-1.0)


def server_can_serve(requests: int) -> None:
    """Say how many requests this process can serve at the same time."""
    _server_threads().set(requests)


def record_client_request(
    peer: str, method: str, status: int | None, error_type: str, seconds: float
) -> None:
    """Count and time one attempt of an outgoing request.

    Args:
        peer: the service called.
        method: the HTTP method.
        status: the response's status; None when there was no response.
        error_type: the exception's or status's name; empty for a success.
        seconds: from the first byte sent to the last byte received.
    """
    code = "" if status is None else str(status)
    series = _histogram(_CLIENT_DURATION, peer, method, code, error_type)
    labels = exemplar()
    with _lock:
        series.observe(seconds, labels)


def record_retry(component: str, outcome: str) -> None:
    """Count one attempt; `outcome` is success, retried or exhausted."""
    _add(_RETRIES, 1.0, component, outcome)


def record_held_line(level: str) -> None:
    """Count a log line that was not written."""
    _add(_HELD_LINES, 1.0, level)


def record_spans(outcome: str, count: int) -> None:
    """Count spans; `outcome` is exported, dropped or failed."""
    _add(_SPANS, float(count), outcome)


def publish_build(service: str, version: str) -> None:
    """Say which service and version this is."""
    for outcome in ("exported", "dropped", "failed"):
        _SPANS.labels(outcome)
    _BUILD.labels(service, version).set(1)


def _add(family: Counter | Gauge, amount: float, *labels: str) -> None:
    add = _number(family, *labels)
    with _lock:
        add(amount)


@cache
def _server_threads() -> Gauge:
    """Make the gauge where a server says so; without labels, it would be 0 everywhere else."""
    return Gauge(
        "http_server_max_active_requests",
        "Requests that the workers can serve at the same time.",
        multiprocess_mode="livesum",
    )


@cache
def _number(family: Counter | Gauge, *labels: str) -> Add:
    return bound_number(family.labels(*labels))


@cache
def _histogram(family: Histogram, *labels: str | int) -> BoundHistogram:
    return BoundHistogram(family.labels(*labels))


__all__ = [
    "DURATION_BUCKETS",
    "REGISTRY",
    "exemplar",
    "publish_build",
    "record_client_request",
    "record_held_line",
    "record_retry",
    "record_server_request",
    "record_spans",
    "server_can_serve",
    "server_request_began",
    "server_request_ended",
]
