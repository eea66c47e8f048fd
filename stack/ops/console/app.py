"""The console's application: dashboards, traces and alerts as pages."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import httpx
from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from stack.ops.console.alerts import Alertmanager
from stack.ops.console.dashboard import InvalidDashboardError
from stack.ops.console.pages import pages
from stack.ops.console.prometheus import Prometheus, PrometheusError, UnreachableError
from stack.ops.console.settings import Settings
from stack.ops.console.timerange import InvalidRangeError, relative
from stack.ops.console.traces.jaeger import Jaeger
from stack.ops.console.traces.pages import traces
from stack.ops.console.values import written
from stack.web.headers import secure

Answer = tuple[str, int, dict[str, str]]
RETRY_SECONDS = 5
# uPlot 1.6.31 as its authors publish it, whatever the package is that brings it.
CHARTS = {
    "uplot.iife.min.js": "sha256-LSforT0igWRSXOIT+dxxbzm0467gzHc/s0kcls9JIaI=",
    "uplot.min.css": "sha256-32MMao1vjur/JktQ9zzlsRT2Rv/ZoLt08EmwoAE1+gQ=",
}


def create_app(
    settings: Settings | None = None, transport: httpx.BaseTransport | None = None
) -> Flask:
    """Make the application; to be called after a fork.

    Args:
        settings: from the environment when not given.
        transport: what carries the requests to Prometheus, Alertmanager and Jaeger, for tests.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["charts"] = CHARTS
    app.jinja_env.filters.update(relative=relative, written=written)
    prometheus = Prometheus(settings.prometheus, transport)
    alertmanager = Alertmanager(settings.alertmanager, transport)
    app.register_blueprint(pages(settings, prometheus, alertmanager))
    app.register_blueprint(traces(Jaeger(settings.jaeger, transport=transport)))
    _serve_charts(app)
    _answer_errors(app)
    secure(app)
    return app


def _serve_charts(app: Flask) -> None:
    vendor = files("youplot") / "vendor"
    texts = {name: (vendor / name).read_bytes() for name in CHARTS}

    @app.get("/charts/<name>")
    def chart_file(name: str) -> Response | tuple[Response, int]:
        if name not in texts:
            return jsonify(error=f"no {name!r}; there are {', '.join(texts)}"), 404
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(texts[name], mimetype=kind, headers={"Cache-Control": "max-age=86400"})

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")


def _answer_errors(app: Flask) -> None:
    def problem(title: str, text: str, status: int, **more: Any) -> Answer:
        # A page that waits for what is away finds by itself that it is back.
        headers = {"Refresh": str(RETRY_SECONDS)} if status == 503 else {}
        return render_template("problem.html", title=title, text=text, **more), status, headers

    @app.errorhandler(UnreachableError)
    def away(error: UnreachableError) -> Answer:
        return problem("Prometheus does not answer", str(error), 503, retry=RETRY_SECONDS)

    @app.errorhandler(PrometheusError)
    def refused(error: PrometheusError) -> Answer:
        return problem("Prometheus refuses what this page asks", str(error), 502)

    @app.errorhandler(InvalidRangeError)
    def range_refused(error: InvalidRangeError) -> Answer:
        return problem("That time cannot be shown", str(error), 400, home=request.path)

    @app.errorhandler(InvalidDashboardError)
    def file_refused(error: InvalidDashboardError) -> Answer:
        return problem("A dashboard’s file cannot be read", str(error), 500)

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> Answer:
        return problem(error.name, error.description or "", error.code or 500, home="/")
