"""`/healthz`: the process answers. `/readyz`: it can do its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, jsonify

Check = Callable[[], bool | str | None]


def health_endpoints(readiness: Mapping[str, Check]) -> Blueprint:
    """Make the two endpoints.

    Args:
        readiness: for each dependency of the service a check that returns None or True when all
            is well; False, a text that says what is wrong, or an exception make it not ready.
    """
    endpoints = Blueprint("stack_health", __name__)

    @endpoints.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @endpoints.get("/readyz")
    def readyz() -> tuple[Response, int]:
        checks = {name: _outcome(check) for name, check in readiness.items()}
        ready = all(outcome == "ok" for outcome in checks.values())
        status = "ready" if ready else "not ready"
        return jsonify(status=status, checks=checks), 200 if ready else 503

    return endpoints


def _outcome(check: Check) -> str:
    try:
        result = check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(result, str):
        return result
    return "failed" if result is False else "ok"
