"""Receives Alertmanager's notifications, keeps them, and shows what is wrong now."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

import stack
from services.inbox import metrics
from services.inbox.api import add_api
from services.inbox.errors import StoreError
from services.inbox.outage import Outage
from services.inbox.pages import Pages
from services.inbox.payload import MAX_BODY_BYTES, InvalidPayloadError, parse
from services.inbox.settings import Settings
from services.inbox.store import WATCHDOG, Store
from services.inbox.watchdog import Watchdog, watchdog
from stack.errors import ConfigurationError
from stack.web.headers import secure

Answer = tuple[Response | str, int]

_log = stack.get_logger("inbox")


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application.

    Args:
        settings: from the environment when not given.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    store = _open(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    outage = Outage()
    readiness = {"database": store.check, "storing": outage.check}
    stack.instrument(app, service="inbox", readiness=readiness)
    metrics.WATCHDOG_SEEN.set(store.watchdog_seen() or 0)

    def heard() -> Watchdog:
        return watchdog(store.watchdog_seen(), settings.watchdog_timeout, time.time())

    _receive(app, store, outage)
    add_api(app, store, heard)
    pages = Pages(
        store, heard, outage, runbooks_dir=settings.runbooks_dir, jaeger_url=settings.jaeger_url
    )
    pages.add_to(app)
    _answer_errors(app)
    secure(app)
    return app


def _open(settings: Settings) -> Store:
    try:
        return Store(settings.database_path)
    except StoreError as error:
        raise ConfigurationError(
            "DATABASE_PATH",
            str(settings.database_path),
            f"a database that can be written; {error}",
        ) from error


def _receive(app: Flask, store: Store, outage: Outage) -> None:
    @app.post("/api/v2/alerts")
    def receive() -> Response | Answer:
        if not request.is_json:
            raise InvalidPayloadError(
                415, "Content-Type", request.content_type, "must be application/json"
            )
        notification = parse(request.get_data())
        now = time.time()
        try:
            deliveries = store.add(notification, now)
        except StoreError as error:
            outage.began(error)
            return _unavailable(error, f"not stored: {error}; send it again")
        outage.over()
        for delivery in deliveries:
            metrics.record(delivery)
            if delivery.alert.name == WATCHDOG and delivery.alert.status == "firing":
                metrics.WATCHDOG_SEEN.set(now)
        _log.info(
            f"{notification.status}: {len(notification.alerts)} alerts",
            event_type="notification_received",
            receiver=notification.receiver,
            alertnames=sorted({alert.name for alert in notification.alerts}),
        )
        return jsonify(stored=len(notification.alerts))


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(InvalidPayloadError)
    def invalid(error: InvalidPayloadError) -> Answer:
        _log.warning(f"refused: {error}", event_type="notification_refused", status=error.status)
        if _for_a_person():
            return _error_page(f"{error.field}: {error}", error.status)
        return jsonify(error.as_json()), error.status

    @app.errorhandler(StoreError)
    def not_read(error: StoreError) -> Answer:
        _log.error("the database failed", event_type="database_failed", exc=error)
        return _unavailable(error, str(error))

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> Answer:
        status, message = error.code or 500, error.description or error.name
        if status == 413:
            message = f"the body must be at most {MAX_BODY_BYTES} bytes"
        if _for_a_person():
            return _error_page(message, status)
        return jsonify(_problem(message)), status


def _unavailable(error: StoreError, message: str) -> Answer:
    """Answer 503: Alertmanager sends again what was not acknowledged."""
    metrics.STORE_ERRORS.labels(error.reason).inc()
    if _for_a_person():
        return _error_page(message, 503)
    return jsonify(_problem(message)), 503


def _for_a_person() -> bool:
    """Tell whether a browser asks; who accepts anything gets JSON."""
    accepted = request.accept_mimetypes
    return accepted.best_match(["application/json", "text/html"]) == "text/html"


def _error_page(message: str, status: int) -> Answer:
    return render_template("error.html", message=message, status=status), status


def _problem(message: str) -> dict[str, Any]:
    return {"error": {"field": None, "value": None, "message": message}}
