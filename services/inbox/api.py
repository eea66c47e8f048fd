"""The inbox as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from flask import Flask, Response, abort, jsonify

from services.inbox import asking
from services.inbox.store import Store
from services.inbox.watchdog import Watchdog

WEEK = 7 * 86_400
_MAX_LIMIT = 10_000


def add_api(app: Flask, store: Store, heard: Callable[[], Watchdog]) -> None:
    """Add the addresses under `/api` that are read.

    Args:
        app: the application.
        store: where alerts are kept.
        heard: says whether the path of alerts works.
    """

    @app.get("/api/alerts")
    def alerts() -> Response:
        found = store.alerts(asking.query(), asking.number("limit", 100, _MAX_LIMIT))
        return jsonify(alerts=found, watchdog=asdict(heard()))

    @app.get("/api/alerts/<fingerprint>")
    def alert(fingerprint: str) -> Response:
        occurrences = store.occurrences(fingerprint)
        if not occurrences:
            abort(404, unknown(fingerprint))
        fired = store.fired_since(fingerprint, time.time() - WEEK)
        return jsonify(fingerprint=fingerprint, fired_in_last_7_days=fired, occurrences=occurrences)

    @app.get("/api/notifications")
    def notifications() -> Response:
        return jsonify(notifications=store.notifications(asking.number("limit", 100, _MAX_LIMIT)))


def unknown(fingerprint: str) -> str:
    """Say that there is no such alert."""
    return (
        f"there is no alert {fingerprint[:64]!r}: it never arrived, or was among the oldest"
        " and is no longer kept; / lists those that are"
    )
