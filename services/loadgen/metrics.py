"""The series of the load generator, and the small server that shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REQUESTS = Counter(
    "loadgen_requests_total",
    "Requests by outcome: answered, degraded, refused (a bad one, rightly), failed.",
    ("outcome",),
)
DURATION = Histogram(
    "loadgen_request_duration_seconds",
    "Time of a request as its sender sees it, connecting included.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
TARGET_RATE = Gauge(
    "loadgen_target_rate",
    "Requests per second that are asked for.",
    multiprocess_mode="max",
)
for _outcome in ("answered", "degraded", "refused", "failed"):
    REQUESTS.labels(_outcome)

_metrics_app = make_wsgi_app()


def web(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve `/metrics` and `/healthz`, as a WSGI application."""
    path = environ.get("PATH_INFO")
    if path == "/metrics":
        page: Iterable[bytes] = _metrics_app(environ, start_response)
        return page
    found = path == "/healthz"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "application/json")])
    return [b'{"status": "ok"}' if found else b'{"error": {"message": "not found"}}']
