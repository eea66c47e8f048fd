"""Whether faults can be switched on by those who may, and end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stack.ops.check.point import Verdict, fails, ok, point
from stack.ops.check.requests import CHECKED, Sent, unknown_path
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import PAUSE, Answer, Visit

_STATUS = 503
# Seconds: a fault that nobody ends, and one that is to end by itself.
_LONG = 5.0
_SHORT = 0.5
_PATIENCE = 2.0


@point(
    "faults.refused",
    "`/faults` answers 401 to whoever sends no token, or another.",
    "compare the Authorization header with 'Bearer <token>' in constant time, else answer 401",
)
def refused(visit: Visit) -> Verdict:
    """Ask without the token; where it is not known what /faults is, only look."""
    first = _ask(visit, "GET", token="")
    if first.status not in {401, 403} and _listed(first) is None:
        raise CannotCheckError(f"it has no /faults ({first.status}), which is as good")
    methods = ("GET", "POST", "DELETE") if visit.asked.faults_token else ("GET",)
    tokens = ("", f"not-{visit.secret}")
    statuses = {_ask(visit, method, {}, each).status for method in methods for each in tokens}
    seen = ", ".join(map(str, sorted(statuses)))
    return ok(seen) if statuses <= {401, 403} else fails(seen)


@point(
    "faults.work",
    "`POST /faults` switches a fault on for the paths it names, `GET` lists it.",
    'take {"kind": "error", "status": 503, "path": …, "probability": 1, "duration_seconds": …}',
)
def work(visit: Visit) -> Verdict:
    """Let an error happen to a path that nobody uses."""
    with _fault(visit, _LONG) as (path, answer):
        if answer.status != 201:
            return fails(f"POST answers {answer.status} {answer.text}")
        sent, other = _send(visit, path), visit.send("GET", unknown_path())
        if sent.status != _STATUS or other.status == _STATUS:
            return fails(f"{sent.status} where it is on, {other.status} where it is not")
        if path not in _ask(visit, "GET").text:
            return fails("GET does not list it")
    return ok(f"{sent.status} where it is on, {other.status} where it is not")


@point(
    "faults.deleted",
    "`DELETE /faults` ends them.",
    "end all faults, of all workers, before it is answered",
)
def deleted(visit: Visit) -> Verdict:
    """End a fault before its time."""
    with _fault(visit, _LONG) as (path, answer):
        _needs(answer)
        status = _ask(visit, "DELETE").status
        return _ended(visit, path, f"DELETE answers {status}")


@point(
    "faults.expire",
    "A fault ends by itself after its `duration_seconds`.",
    "keep the time at which it ends, and look at it before each request",
)
def expire(visit: Visit) -> Verdict:
    """Wait for the end of a fault."""
    with _fault(visit, _SHORT) as (path, answer):
        _needs(answer)
        time.sleep(_SHORT)
        return _ended(visit, path, f"{_SHORT:g} s over")


@point(
    "faults.invalid",
    "What is no fault is answered with 400, and is not switched on.",
    "check kind, probability and duration, and say in the answer which of them is wrong",
)
def invalid(visit: Visit) -> Verdict:
    """Send nonsense."""
    _needs_token(visit)
    body = {"kind": "no-such-fault", "path": unknown_path(), "duration_seconds": _SHORT}
    status = _ask(visit, "POST", body).status
    if status == 404:
        raise CannotCheckError("it has no /faults")
    return ok("400") if status == 400 else fails(f"{status}")


# Deleting comes first: what it does not end, the others would take for their own work.
POINTS = (refused, deleted, work, expire, invalid)


@contextmanager
def _fault(visit: Visit, seconds: float) -> Iterator[tuple[str, Answer]]:
    """Switch a fault on at a path of its own; it ends, whatever happens."""
    _needs_token(visit)
    before = _ask(visit, "GET")
    if before.status == 404:
        raise CannotCheckError("it has no /faults")
    if any(not str(each.get("path")).startswith(CHECKED) for each in _listed(before) or ()):
        raise CannotCheckError("a fault is on, which the check would end")
    path = unknown_path()
    body = {
        "kind": "error",
        "status": _STATUS,
        "path": path,
        "probability": 1,
        "duration_seconds": seconds,
    }
    try:
        yield path, _ask(visit, "POST", body)
    finally:
        _ask(visit, "DELETE", last=True)


def _send(visit: Visit, path: str) -> Sent:
    return visit.send("GET", path)


def _ended(visit: Visit, path: str, how: str) -> Verdict:
    ends = time.monotonic() + _PATIENCE
    while (status := _send(visit, path).status) == _STATUS:
        if time.monotonic() > ends:
            return fails(f"{how}, and still {status}")
        time.sleep(PAUSE)
    return ok(f"{how}, then {status}")


def _needs_token(visit: Visit) -> None:
    if not visit.asked.faults_token:
        raise CannotCheckError("no --faults-token-file")


def _needs(answer: Answer) -> None:
    if answer.status != 201:
        raise CannotCheckError("no fault can be switched on")


def _listed(answer: Answer) -> list[dict[str, Any]] | None:
    """Return the faults that are on; None where the answer is no list of them."""
    try:
        return [dict(each) for each in json.loads(answer.text)["faults"]]
    except (ValueError, KeyError, TypeError):
        return None


def _ask(
    visit: Visit,
    method: str,
    body: dict[str, Any] | None = None,
    token: str | None = None,
    *,
    last: bool = False,
) -> Answer:
    given = visit.asked.faults_token if token is None else token
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    text = json.dumps(body or {}) if method == "POST" else ""
    return visit.ask(method, "/faults", headers, text, last=last)
