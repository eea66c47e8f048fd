"""A small service that obeys the telemetry contract without this library, but for one point."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TOKEN, FAULTS_TOKEN = "for-metrics", "for-faults"
ROUTES = {"/orders": "/orders", "/readyz": "/readyz", "/healthz": "/healthz"}
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
OWN = {"/metrics", "/healthz", "/readyz", "/faults"}


class Obedient:
    """The service, and the Jaeger and the log that it writes to; for one thread.

    Args:
        broken: the point that it does not obey.
    """

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.lines: list[str] = []
        self.traces: dict[str, list[dict[str, Any]]] = {}
        self.faults: list[dict[str, Any]] = []
        self.scrapes = 0
        self._make_metrics()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if request.path in OWN and not (
            self.broken == "metrics.own-work" and request.path == "/healthz"
        ):
            return self.watched(request)(environ, start)
        return self.served(request)(environ, start)

    def watched(self, request: Request) -> Response:
        """Answer those who watch the service."""
        if request.path == "/healthz":
            return Response(status=500 if self.broken == "health.live" else 200)
        if request.path == "/readyz":
            return Response("no", 503) if self.broken == "health.ready" else Response("{}", 200)
        if request.path == "/faults":
            return self.faulty(request)
        if not allowed(request, TOKEN) and self.broken != "metrics.token":
            return Response(status=401)
        return self.exposition(request)

    def exposition(self, request: Request) -> Response:
        """Write the series in the form that is asked for."""
        self.scrapes += 1
        if self.broken == "metrics.all-workers":
            self.spans.clear()
            self.spans.labels("exported").inc(self.scrapes % 2)
        asks = "openmetrics" in request.headers.get("Accept", "")
        if asks and self.broken != "metrics.openmetrics":
            return Response(generate_openmetrics(self.registry), content_type=OPENMETRICS)
        kind = "text/html" if self.broken == "metrics.served" else "text/plain; version=0.0.4"
        return Response(generate_latest(self.registry), content_type=kind)

    def faulty(self, request: Request) -> Response:
        """Switch faults on and off."""
        if not allowed(request, FAULTS_TOKEN) and self.broken != "faults.refused":
            return Response(status=401)
        if request.method == "GET":
            on = [fault for fault in self.faults if fault["ends"] > time.monotonic()]
            return Response(json.dumps({"faults": on}))
        if request.method == "DELETE":
            if self.broken != "faults.deleted":
                self.faults = []
            return Response(status=204)
        fault = request.get_json()
        if fault.get("kind") != "error" and self.broken != "faults.invalid":
            return Response(status=400)
        lasts = 60 if self.broken == "faults.expire" else fault["duration_seconds"]
        if self.broken != "faults.work":
            self.faults.append({**fault, "ends": time.monotonic() + lasts})
        return Response("{}", 201)

    def served(self, request: Request) -> Response:
        """Answer a request, and tell of it."""
        header = request.headers.get("traceparent", "")
        found = TRACEPARENT.fullmatch(header)
        route = ROUTES.get(request.path, "unmatched")
        status = 404 if route == "unmatched" else 200
        if header and not found and self.broken == "traces.malformed":
            status = 500
        for fault in self.faults:
            if request.path == fault["path"] and fault["ends"] > time.monotonic():
                status = fault["status"]
        context = found.groups() if found else ("1" * 32, "", "00")
        trace_id, _, flags = context
        self.measure(request, route, status, trace_id if flags == "01" else "")
        self.trace(request, route, status, context)
        self.log(request, route, status, trace_id)
        return Response(status=status)

    def measure(self, request: Request, route: str, status: int, trace_id: str) -> None:
        """Count a request; with an exemplar if its trace is sampled."""
        if self.broken == "conventions.routes" and route == "unmatched":
            route = request.path
        if self.broken == "exemplars.sampled":
            trace_id = trace_id or TRACEPARENT.sub(r"\1", request.headers.get("traceparent", ""))
        exemplar = {"trace_id": trace_id, "span_id": "2" * 16} if len(trace_id) == 32 else None
        if self.broken == "exemplars.form" and exemplar:
            del exemplar["span_id"]
        if self.broken == "exemplars.trace":
            exemplar = None
        for _ in range(2 if self.broken == "metrics.counted" else 1):
            self.duration.labels(request.method, route, status).observe(0.01, exemplar)
        self.active.labels(request.method).inc()
        if self.broken != "metrics.active":
            self.active.labels(request.method).dec()

    def trace(self, request: Request, route: str, status: int, context: tuple[str, ...]) -> None:
        """Send a request's span to Jaeger."""
        trace_id, parent, flags = context
        if self.broken == "traces.arrive" or (flags != "01" and self.broken != "traces.sampled"):
            return
        method = "http.method" if self.broken == "traces.attributes" else "http.request.method"
        tags: dict[str, Any] = {
            method: request.method,
            "http.response.status_code": status,
            "url.path": request.path,
            "url.scheme": request.scheme,
            "span.kind": "server",
        }
        name = request.method
        if route != "unmatched":
            tags["http.route"] = route
            name += f" {route}"
        from_500 = status >= 500 and self.broken != "traces.errors"
        if from_500 or (status >= 400 and self.broken == "traces.client-errors"):
            tags["error"] = True
        if self.broken == "traces.secrets":
            tags["http.request.header.cookie"] = request.headers.get("Cookie", "")
        self.traces.setdefault(trace_id, []).append(
            {
                "operationName": request.path if self.broken == "traces.name" else name,
                "processID": "p1",
                "references": [] if self.broken == "traces.parent" else [{"spanID": parent}],
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            }
        )

    def log(self, request: Request, route: str, status: int, trace_id: str) -> None:
        """Write a request's line."""
        record: dict[str, Any] = {
            "timestamp": datetime.now(UTC).isoformat(),
            "level": "error" if status >= 500 and self.broken != "logs.errors" else "info",
            "logger": "web",
            "event_type": "http_request",
            "message": f"{request.method} {route} {status}",
            "service": "orders",
            "component": "orders",
            "request_id": "r1",
            "trace_id": trace_id,
            "span_id": "2" * 16,
            "duration_ms": 10,
            "http_request_method": request.method,
            "http_route": route,
            "http_response_status_code": status,
        }
        missing = {
            "logs.fields": "logger",
            "logs.request": "duration_ms",
            "logs.trace": "trace_id",
        }
        record.pop(missing.get(self.broken, ""), None)
        if self.broken == "logs.form":
            record["level"] = str(record["level"]).upper()
        if self.broken == "logs.secrets":
            record["cookie"] = request.headers.get("Cookie")
        self.lines.append(json.dumps(record))
        if self.broken != "logs.counted":
            self.entries.labels(*self._of_entries).inc()
        if self.broken == "logs.json":
            self.lines.append(f'127.0.0.1 - - "{request.method} {request.path} HTTP/1.1" {status}')
            self.entries.labels(*self._of_entries).inc()

    def _make_metrics(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.duration = Histogram(
            "http_server_request_duration_seconds",
            "Time of requests.",
            ("http_request_method", "http_route", "http_response_status_code"),
            registry=registry,
        )
        self.active = Gauge(
            "http_server_active_requests", "Now.", ("http_request_method",), registry=registry
        )
        further = {"service": "orders"} if self.broken == "metrics.form" else {}
        self._of_entries = ("orders", "info", *further.values())
        self.entries = Counter(
            "log_entries_total", "Lines.", ("component", "level", *further), registry=registry
        )
        self.entries.labels(*self._of_entries)
        self.spans = Counter("telemetry_spans_total", "Spans.", ("outcome",), registry=registry)
        self.spans.labels("exported")
        build = Gauge("stack_build_info", "Always 1.", ("service", "version"), registry=registry)
        build.labels("orders", "1").set(1)
        Counter("process_cpu_seconds_total", "Time.", registry=registry)
        Gauge("process_resident_memory_bytes", "Memory.", registry=registry)
        Gauge("process_start_time_seconds", "Start.", registry=registry)
        if self.broken != "metrics.series":
            Gauge("process_open_fds", "Files.", registry=registry)
        self._break_metrics(registry)

    def _break_metrics(self, registry: CollectorRegistry) -> None:
        if self.broken == "metrics.buckets":
            Histogram("work_seconds", "Time.", registry=registry, buckets=(1,))
        if self.broken == "conventions.counters":
            Gauge("queued_total", "Waiting.", registry=registry)
        if self.broken == "conventions.units":
            Gauge("oldest_queued_ms", "Waiting.", registry=registry)
        if self.broken == "conventions.labels":
            users = Gauge("baskets", "By user.", ("user_id",), registry=registry)
            users.labels("5f0c6c1e-8a53-4f0e-9c9b-0d1c5b7f1a2e").set(1)


class FakeJaeger:
    """Jaeger's query API over what a service has sent."""

    def __init__(self, service: Obedient) -> None:
        self._service = service

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        spans = self._service.traces.get(environ["PATH_INFO"].rpartition("/")[2])
        name = "unknown_service:node" if self._service.broken == "traces.service" else "orders"
        trace = {"processes": {"p1": {"serviceName": name}}, "spans": spans}
        found = (
            Response(json.dumps({"data": [trace]})) if spans else Response('{"data": null}', 404)
        )
        return found(environ, start)


class FakeLog:
    """The lines that a service has written."""

    def __init__(self, service: Obedient) -> None:
        self._service = service
        self._begun = 0

    def begin(self) -> None:
        """Forget what was written before."""
        self._begun = len(self._service.lines)

    def read(self) -> list[str]:
        """Return what was written since."""
        return self._service.lines[self._begun :]


def allowed(request: Request, token: str) -> bool:
    """Tell whether a request has the token."""
    return request.headers.get("Authorization") == f"Bearer {token}"


def client(service: Obedient) -> httpx.Client:
    """Return a client that reaches the service and its Jaeger without a network."""
    return httpx.Client(
        mounts={
            "http://service": httpx.WSGITransport(service),
            "http://jaeger": httpx.WSGITransport(FakeJaeger(service)),
        }
    )
