"""Instrumenting a Flask application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, got_request_exception, request

from stack.runtime import setup
from stack.web.exposition import metrics_endpoint
from stack.web.faults import faults_endpoint, inject_faults
from stack.web.health import Check, health_endpoints
from stack.web.request import Exchange

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The endpoints that watch the service are not the service's work: they are not measured.
OWN_PATHS = frozenset({"/metrics", "/healthz", "/readyz", "/faults"})
_EXCHANGE = "stack.exchange"


def instrument(
    app: Flask,
    *,
    service: str,
    version: str | None = None,
    readiness: Mapping[str, Check] | None = None,
) -> Flask:
    """Give an application metrics, traces, logs, health endpoints and fault injection.

    It works the same under `flask run`, gunicorn and pytest, and again on an application that is
    instrumented already. Safe before a fork.

    Args:
        app: the application; its routes may be added before or after.
        service: the service's name in every series, span and log line.
        version: its version; `STACK_SERVICE_VERSION` when not given.
        readiness: checks of what the service needs, shown by `/readyz`.

    Returns:
        The same application.

    Raises:
        ConfigurationError: an environment variable holds something that cannot be used.
    """
    if "stack" in app.extensions:
        return app
    runtime = setup(service, version=version)
    app.extensions["stack"] = runtime
    settings = runtime.settings
    app.register_blueprint(metrics_endpoint(settings.metrics_token))
    app.register_blueprint(health_endpoints(readiness or {}))
    if settings.faults_enabled:
        app.register_blueprint(faults_endpoint(settings.faults_token))
        inject_faults(app, OWN_PATHS)
    app.wsgi_app = _Middleware(app.wsgi_app)  # type: ignore[method-assign]
    got_request_exception.connect(_note_exception, app)
    return app


class _Middleware:
    """Wraps every request that is the service's own work in an `Exchange`."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if environ.get("PATH_INFO") in OWN_PATHS:
            return self._app(environ, start_response)
        exchange = environ[_EXCHANGE] = Exchange(environ)
        return exchange.run(self._app, environ, start_response)


def _note_exception(_app: Flask, exception: BaseException, **_: Any) -> None:
    exchange = request.environ.get(_EXCHANGE)
    if exchange is not None:
        exchange.note_route(request.environ)
        exchange.error = exception
