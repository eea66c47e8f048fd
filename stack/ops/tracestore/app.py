"""The store's application: OTLP in, Jaeger's query API out; pages are the console's."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from flask import Flask, Response, jsonify, redirect, request
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from stack.errors import ConfigurationError
from stack.metrics.exposition import negotiate
from stack.ops.tracestore import jaeger_file
from stack.ops.tracestore.otlp import JSON, MAX_BYTES, RefusedError, decode
from stack.ops.tracestore.query import queries
from stack.ops.tracestore.settings import Settings
from stack.ops.tracestore.store import Store
from stack.tracing.jaeger_json import spans_of
from stack.web.headers import secure


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application; one process of it may write to a database.

    Args:
        settings: from the environment when not given.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    try:
        store = Store(
            settings.database_path, max_age=settings.max_age, max_bytes=settings.max_bytes
        )
    except sqlite3.Error as error:
        raise ConfigurationError(
            "TRACESTORE_DATABASE_PATH",
            str(settings.database_path),
            f"a database that can be written ({error}); delete a damaged one",
        ) from error
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    metrics = _Metrics(store)
    _receive(app, store, metrics)
    _watch(app, metrics)
    app.register_blueprint(queries(store))
    _send_on(app, settings.ui_url)
    secure(app)
    return app


class _Metrics:
    """What the store tells of itself, on a registry of its own."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "tracestore_spans_received_total", "Spans kept.", registry=self.registry
        )
        self.refused = Counter(
            "tracestore_spans_refused_total", "Spans without usable ids.", registry=self.registry
        )
        self.requests = Counter(
            "tracestore_export_requests_total",
            "Requests that bring spans, by HTTP status.",
            ("code",),
            registry=self.registry,
        )
        self.requests.labels("200")
        spans = Gauge("tracestore_spans", "Spans held.", registry=self.registry)
        spans.set_function(store.count)
        size = Gauge(
            "tracestore_database_size_bytes", "Bytes that hold something.", registry=self.registry
        )
        size.set_function(store.size)
        ProcessCollector(registry=self.registry)


def _receive(app: Flask, store: Store, metrics: _Metrics) -> None:
    @app.post("/v1/traces")
    def receive() -> Response:
        body = request.get_data()
        encoding = request.headers.get("Content-Encoding", "").lower()
        spans, refused = spans_of(decode(body, request.mimetype, encoding))
        store.add(spans)
        metrics.received.inc(len(spans))
        metrics.refused.inc(refused)
        metrics.requests.labels("200").inc()
        answer = ExportTraceServiceResponse()
        if refused:
            answer.partial_success.rejected_spans = refused
            answer.partial_success.error_message = "spans need a trace id and a span id"
        return _message(answer, 200)

    @app.post("/api/traces")
    def load() -> tuple[Response, int]:
        spans = jaeger_file.read(request.get_data())
        store.add(spans)
        metrics.received.inc(len(spans))
        return jsonify(spans=len(spans)), 201

    @app.errorhandler(RefusedError)
    def refuse(error: RefusedError) -> Response:
        metrics.requests.labels(str(error.status)).inc()
        return _message(Status(code=3, message=str(error)), error.status)

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        metrics.requests.labels("413").inc()
        return _message(Status(code=3, message=f"more than {MAX_BYTES} bytes; send fewer"), 413)

    @app.errorhandler(sqlite3.Error)
    def unusable(error: sqlite3.Error) -> tuple[Response, int]:
        app.logger.error("the database cannot be used: %s", error)
        return jsonify(data=None, errors=[{"code": 503, "msg": f"database: {error}"}]), 503

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> tuple[Response, int]:
        code = error.code or 500
        return jsonify(data=None, errors=[{"code": code, "msg": error.description}]), code


def _message(message: ExportTraceServiceResponse | Status, status: int) -> Response:
    """Answer in the form of the request, as OTLP asks."""
    if request.mimetype == JSON:
        from google.protobuf.json_format import MessageToJson

        return Response(MessageToJson(message), status, content_type=JSON)
    return Response(message.SerializeToString(), status, content_type="application/x-protobuf")


def _send_on(app: Flask, ui_url: str) -> None:
    """Send who asks for a page of Jaeger's to where the pages are."""

    @app.get("/")
    @app.get("/search")
    @app.get("/trace/<trace_id>")
    def page(trace_id: str = "") -> AnyResponse:
        if not ui_url:
            told = "Pages are the console's; TRACESTORE_UI_URL says where it is.\n"
            return Response(told, 404, content_type="text/plain")
        path = f"/trace/{quote(trace_id)}" if trace_id else "/search"
        query = request.query_string.decode()
        return redirect(f"{ui_url}{path}{'?' if query else ''}{query}")


def _watch(app: Flask, metrics: _Metrics) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/metrics")
    def exposition() -> Response:
        encode, content_type = negotiate(request.headers.get("Accept", ""))
        return Response(encode(metrics.registry), content_type=content_type)
