"""Faults on demand: what a service does when it is slow, wrong, stuck or gone.

`POST /faults` switches one on, `GET` lists them, `DELETE` ends them. They are off unless
`STACK_FAULTS` is on, need a token, and end by themselves. To add a kind, add a line to `KINDS`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from socket import SHUT_RDWR

from flask import Blueprint, Flask, Response, jsonify, request

from stack.errors import ConfigurationError
from stack.web.fault import Fault, InvalidFaultError
from stack.web.fault_state import active, end_all, switch_on
from stack.web.token import refusal

MAX_BODY_BYTES = 10_000

_held_memory: list[tuple[float, bytearray]] = []


def faults_endpoint(token: str | None) -> Blueprint:
    """Make the endpoint.

    Args:
        token: what a caller has to send as a bearer token.

    Raises:
        ConfigurationError: no token; faults must never be open to everyone.
    """
    if token is None:
        raise ConfigurationError(
            "STACK_FAULTS_TOKEN_FILE", "", "the path of a token file when STACK_FAULTS is on"
        )
    endpoint = Blueprint("stack_faults", __name__)

    @endpoint.before_request
    def check_token() -> Response | None:
        return refusal(request, token)

    @endpoint.get("/faults")
    def show() -> Response:
        return jsonify(faults=[fault.as_json() for fault in active()])

    @endpoint.post("/faults")
    def add() -> tuple[Response, int]:
        request.max_content_length = MAX_BODY_BYTES
        try:
            fault = Fault.parse(request.get_json(silent=True))
        except InvalidFaultError as error:
            return jsonify(error=error.as_json()), 400
        switch_on(fault)
        return jsonify(fault.as_json()), 201

    @endpoint.delete("/faults")
    def remove() -> tuple[str, int]:
        end_all()
        return "", 204

    return endpoint


def inject_faults(app: Flask, spared: Collection[str]) -> None:
    """Let the active faults happen to an application's requests before their views see them.

    It comes after routing: what a fault answers is measured under the route that was asked for.

    Args:
        app: the application.
        spared: the paths that no fault strikes.
    """

    @app.before_request
    def strike() -> Response | None:
        if request.path in spared:
            return None
        faults = active()
        if _held_memory:
            _give_back(faults)
        for fault in faults:
            if fault.strikes(request.path, random.random()):  # noqa: S311
                answer = KINDS[fault.kind](fault)
                if answer is not None:
                    return answer
        return None


def _latency(fault: Fault) -> None:
    time.sleep(fault.latency_seconds)


def _error(fault: Fault) -> Response:
    answer = jsonify(error={"message": "injected fault"})
    answer.status = f"{fault.status} Injected Fault"
    return answer


def _hang(fault: Fault) -> None:
    """Answer nothing until the fault is over; a worker's thread stays occupied."""
    while fault in active():
        time.sleep(0.1)


def _drop(_: Fault) -> Response:
    """Close the connection without an answer, where the server lets us reach its socket."""
    connection = request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(SHUT_RDWR)
    return Response(status="500 Injected Fault")


def _cpu(fault: Fault) -> None:
    until = time.thread_time() + fault.latency_seconds
    while time.thread_time() < until:
        pass


def _memory(fault: Fault) -> None:
    """Hold memory in this worker until the first request after the fault."""
    if sum(len(block) for _until, block in _held_memory) < fault.megabytes * 1_000_000:
        # Memory that was never written to is not resident.
        _held_memory.append((fault.ends_at, bytearray(b"\1") * (fault.megabytes * 1_000_000)))


def _give_back(faults: list[Fault]) -> None:
    wanted = {fault.ends_at for fault in faults if fault.kind == "memory"}
    _held_memory[:] = [held for held in _held_memory if held[0] in wanted]


KINDS: dict[str, Callable[[Fault], Response | None]] = {
    "latency": _latency,
    "error": _error,
    "hang": _hang,
    "drop": _drop,
    "cpu": _cpu,
    "memory": _memory,
}
