"""Jaeger's query API.

https://www.jaegertracing.io/docs/latest/architecture/apis/
"""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Blueprint, Response, jsonify, request

from stack.ops.tracestore.search import InvalidParameterError, Search, whole
from stack.ops.tracestore.store import Store
from stack.tracing.jaeger_json import traces_of

_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_DAY_MILLISECONDS = 86_400_000


def queries(store: Store) -> Blueprint:
    """Make the endpoints below `/api`."""
    api = Blueprint("queries", __name__, url_prefix="/api")

    @api.get("/services")
    def services() -> Response:
        found = store.services()
        return _envelope(found, len(found))

    @api.get("/services/<path:service>/operations")
    def operations_of(service: str) -> Response:
        found = sorted({name for name, _ in store.operations(service)})
        return _envelope(found, len(found))

    @api.get("/operations")
    def operations() -> Response:
        service = request.args.get("service", "")
        if not service:
            raise InvalidParameterError("service", "", "the name of a service")
        pairs = store.operations(service, request.args.get("spanKind", ""))
        found = [{"name": name, "spanKind": kind} for name, kind in pairs]
        return _envelope(found, len(found))

    @api.get("/traces")
    def traces() -> Response:
        wanted = request.args.getlist("traceID")
        if wanted:
            spans = [span for each in wanted for span in store.trace(normal_id(each))]
        else:
            spans = store.find(Search.parse(request.args))
        return _envelope(traces_of(spans))

    @api.get("/traces/<trace_id>")
    def trace(trace_id: str) -> tuple[Response, int] | Response:
        found = store.trace(normal_id(trace_id))
        return _envelope(traces_of(found)) if found else _failure(404, "trace not found")

    @api.get("/dependencies")
    def dependencies() -> Response:
        end = whole(request.args, "endTs", int(time.time() * 1000))
        start = max(0, end - whole(request.args, "lookback", _DAY_MILLISECONDS))
        rows = store.dependencies(start * 1000, end * 1000)
        return _envelope([{"parent": p, "child": c, "callCount": calls} for p, c, calls in rows])

    @api.app_errorhandler(InvalidParameterError)
    def refuse(error: InvalidParameterError) -> tuple[Response, int]:
        return _failure(400, str(error))

    return api


def normal_id(given: str) -> str:
    """Return a trace id in its full form; leading zeros may be left out.

    Raises:
        InvalidParameterError: it is none.
    """
    if not _TRACE_ID.fullmatch(given):
        raise InvalidParameterError("traceID", given, "1 to 32 hex digits")
    return given.lower().rjust(32, "0")


def _envelope(data: list[Any], total: int = 0) -> Response:
    return jsonify(data=data, total=total, limit=0, offset=0, errors=None)


def _failure(code: int, message: str) -> tuple[Response, int]:
    errors = [{"code": code, "msg": message}]
    return jsonify(data=None, total=0, limit=0, offset=0, errors=errors), code
