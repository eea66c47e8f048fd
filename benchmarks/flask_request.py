"""What a whole request costs more when a Flask application is instrumented."""

from __future__ import annotations

import logging
from contextlib import redirect_stdout
from typing import Any, cast

import structlog
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics
from werkzeug.test import EnvironBuilder

import stack
from benchmarks.figures import Benchmark, Figure
from benchmarks.nowhere import NoExporter, NoOutput
from benchmarks.timing import Operation, compare
from stack.tracing.export import BoundedSpanProcessor


def run() -> Benchmark:
    """Compare with the three libraries that a service would otherwise combine."""
    provider = TracerProvider()
    provider.add_span_processor(BoundedSpanProcessor(NoExporter()))
    trace.set_tracer_provider(provider)
    operations = {
        "bare": _requests(_app()),
        "ours": _requests(stack.instrument(_app(), service="benchmark")),
        "peers": _requests(_with_peers(_app())),
    }
    with redirect_stdout(cast("Any", NoOutput())):
        seconds = compare(operations)
    assert 'http_server_request_duration_seconds_count{http_request_method="GET"' in _exposed()
    added = seconds["ours"] - seconds["bare"]
    added_by_peers = seconds["peers"] - seconds["bare"]
    return Benchmark(
        "Flask request",
        [
            Figure(
                "added by metric with exemplar, span and log line",
                added,
                bare=seconds["bare"],
                peer="prometheus_flask_exporter + opentelemetry-instrumentation-flask + structlog",
                peer_value=added_by_peers,
                goal_ratio=0.34,
                goal_value=75e-6,
            ),
            Figure("a whole request", seconds["ours"], bare=seconds["bare"]),
        ],
        [
            "The application is called through its WSGI interface; its view returns a short text.",
            "More than half of what ours adds is the SDK's own work on the span: starting it with "
            "five attributes, setting two more at its end, queueing and sending it. A fifth is the "
            "log line, a tenth the histogram with its exemplar.",
        ],
    )


def _exposed() -> str:
    from stack.metrics import exposition

    return exposition.text(REGISTRY).decode()


def _app() -> Flask:
    app = Flask("benchmark")
    app.add_url_rule("/orders/<int:number>", view_func=_order)
    return app


def _order(number: int) -> str:
    return f"order {number}"


def _requests(app: Flask) -> Operation:
    environ = EnvironBuilder("/orders/7", headers=[("User-Agent", "benchmark")]).get_environ()

    def start_response(*_: object) -> Any:
        return None

    def request() -> None:
        body = app(dict(environ), cast("Any", start_response))
        for _ in body:
            pass
        cast("Any", body).close()

    return request


def _with_peers(app: Flask) -> Flask:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(NoExporter()))
    PrometheusMetrics(app, registry=CollectorRegistry())
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger()

    @app.after_request
    def line(response: Any) -> Any:
        from flask import request

        log.info("request", method=request.method, path=request.path, status=response.status_code)
        return response

    return app
