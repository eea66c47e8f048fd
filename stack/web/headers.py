"""Headers that keep a page from doing more than it is meant to."""

from __future__ import annotations

from flask import Flask, Response

_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)


def secure(app: Flask) -> None:
    """Let an application's pages load only what it serves itself, and stand in no frame."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
