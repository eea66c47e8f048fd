"""What the query string of a request asks for; what it may not ask is named."""

from __future__ import annotations

from flask import request

from services.inbox.payload import InvalidPayloadError
from services.inbox.query import Query

MAX_TEXT = 200


def query() -> Query:
    """Return which alerts are asked for; empty parameters ask for nothing.

    Raises:
        InvalidPayloadError: a parameter cannot be understood.
    """
    status = _text("status")
    if status not in {None, "firing", "resolved"}:
        raise InvalidPayloadError(400, "status", status, "must be firing or resolved")
    return Query(
        status=status,
        alertname=_text("alertname"),
        severity=_text("severity"),
        service=_text("service"),
        text=_text("text"),
    )


def number(name: str, default: int, highest: int) -> int:
    """Return a whole number from 1.

    Raises:
        InvalidPayloadError: it is none, or above the highest.
    """
    raw = request.args.get(name) or str(default)
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 9 and 1 <= int(raw) <= highest):
        raise InvalidPayloadError(400, name, raw, f"must be a whole number from 1 to {highest}")
    return int(raw)


def _text(name: str) -> str | None:
    value = request.args.get(name, "").strip()
    if len(value) > MAX_TEXT:
        raise InvalidPayloadError(400, name, value, f"must be at most {MAX_TEXT} characters")
    return value or None
