"""Receives Alertmanager's notifications, keeps them, and shows what is wrong now."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

import stack
from services.inbox import metrics
from services.inbox.errors import StoreError
from services.inbox.outage import Outage
from services.inbox.payload import MAX_BODY_BYTES, InvalidPayloadError, parse
from services.inbox.query import Query
from services.inbox.runbooks import Runbooks
from services.inbox.settings import Settings
from services.inbox.store import WATCHDOG, Store
from services.inbox.view import Watchdog, cards, watchdog
from stack.errors import ConfigurationError
from stack.web.headers import secure

_SHOWN = 200

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
    _receive(app, store, outage)
    _show(app, store, settings)
    _answer_errors_in_json(app)
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
    def receive() -> Response | tuple[Response, int]:
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


def _show(app: Flask, store: Store, settings: Settings) -> None:
    runbooks = Runbooks(settings.runbooks_dir)

    def heard() -> Watchdog:
        return watchdog(store.watchdog_seen(), settings.watchdog_timeout, time.time())

    @app.get("/api/alerts")
    def alerts() -> Response:
        status = request.args.get("status")
        if status not in {None, "firing", "resolved"}:
            raise InvalidPayloadError(400, "status", status, "must be firing or resolved")
        found = store.alerts(
            Query(status=status, alertname=request.args.get("alertname")), _limit()
        )
        return jsonify(alerts=found, watchdog=asdict(heard()))

    @app.get("/api/notifications")
    def notifications() -> Response:
        return jsonify(notifications=store.notifications(_limit()))

    @app.get("/")
    @app.get("/alerts")
    def page() -> str:
        """Show the page, or under `/alerts` the part of it that changes."""
        template = "inbox.html" if request.path == "/" else "alerts.html"
        found = store.alerts(limit=_SHOWN)
        shown = cards(found, settings.jaeger_url)
        return render_template(
            template,
            firing=[card for card in shown if card.status == "firing"],
            resolved=[card for card in shown if card.status == "resolved"],
            watchdog=heard(),
        )

    @app.get("/runbooks/<name>")
    def runbook(name: str) -> str:
        found = runbooks.get(name)
        if found is None:
            abort(404, f"there is no runbook {name[:100]!r}; there are {runbooks.names()}")
        return render_template("runbook.html", runbook=found)


def _limit() -> int:
    raw = request.args.get("limit", "100")
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 5 and 1 <= int(raw) <= 10_000):
        raise InvalidPayloadError(400, "limit", raw, "must be a whole number from 1 to 10000")
    return int(raw)


def _answer_errors_in_json(app: Flask) -> None:
    @app.errorhandler(InvalidPayloadError)
    def invalid(error: InvalidPayloadError) -> tuple[Response, int]:
        _log.warning(f"refused: {error}", event_type="notification_refused", status=error.status)
        return jsonify(error.as_json()), error.status

    @app.errorhandler(StoreError)
    def not_read(error: StoreError) -> tuple[Response, int]:
        _log.error("the database failed", event_type="database_failed", exc=error)
        return _unavailable(error, str(error))

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> tuple[Response, int]:
        if error.code == 413:
            return jsonify(_problem(f"the body must be at most {MAX_BODY_BYTES} bytes")), 413
        return jsonify(_problem(error.description or error.name)), error.code or 500


def _unavailable(error: StoreError, message: str) -> tuple[Response, int]:
    """Answer 503: Alertmanager sends again what was not acknowledged."""
    metrics.STORE_ERRORS.labels(error.reason).inc()
    return jsonify(_problem(message)), 503


def _problem(message: str) -> dict[str, Any]:
    return {"error": {"field": None, "value": None, "message": message}}
