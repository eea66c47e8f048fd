"""Whether log lines can be read by programs, and lead to traces."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from stack.ops.check.lines import record_of
from stack.ops.check.point import Verdict, fails, listed, not_checked, ok, point
from stack.ops.check.requests import Sent
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import PAUSE, Visit

_ALWAYS = ("timestamp", "level", "logger", "message", "service", "component")
_LEVELS = ("debug", "info", "warning", "error", "critical")
_REQUEST = "http_request"
_OF_REQUESTS: dict[str, type | tuple[type, ...]] = {
    "request_id": str,
    "duration_ms": (int, float),
    "http_request_method": str,
    "http_route": str,
    "http_response_status_code": int,
}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


@point(
    "logs.json",
    "Every line of the log is one JSON object.",
    "send the records of the server and of libraries through the same formatter, one line each",
)
def json(visit: Visit) -> Verdict:
    """Parse the lines that were written meanwhile."""
    lines = _lines(visit)
    wrong = [line for line in lines if record_of(line) is None]
    return (
        fails(f"{len(wrong)} of {len(lines)}: {wrong[0]}") if wrong else ok(f"{len(lines)} lines")
    )


@point(
    "logs.fields",
    f"Every line has {', '.join(f'`{each}`' for each in _ALWAYS)}.",
    "add what is missing to the formatter",
)
def fields(visit: Visit) -> Verdict:
    """Look for the fields of all lines."""
    missing = [name for name in _ALWAYS if any(name not in each for each in _records(visit))]
    return fails(f"missing: {listed(missing, 6)}") if missing else ok(", ".join(_ALWAYS))


@point(
    "logs.form",
    f"`timestamp` is RFC 3339 in UTC, `level` one of {', '.join(_LEVELS)}.",
    "write times as 2026-01-31T12:00:00.123Z, and levels in small letters",
)
def form(visit: Visit) -> Verdict:
    """Look at those two fields where they are."""
    for record in _records(visit):
        moment, level = record.get("timestamp", ""), record.get("level", "info")
        if "timestamp" in record and not _is_moment(moment):
            return fails(f"timestamp {moment!r}")
        if level not in _LEVELS:
            return fails(f"level {level!r}")
    return ok(f"{moment}, {level}")


@point(
    "logs.request",
    f"Each request leaves one line with `event_type` `{_REQUEST}` that tells what came of it.",
    f"write {', '.join(_OF_REQUESTS)} when the answer has ended",
)
def request(visit: Visit) -> Verdict:
    """Look at the lines of requests."""
    lines = [each for each in _records(visit) if each.get("event_type") == _REQUEST]
    if len(lines) < len(visit.sent):
        return fails(f"{len(lines)} lines for {len(visit.sent)} requests")
    for line in lines:
        wrong = [name for name, kind in _OF_REQUESTS.items() if not _is(line.get(name), kind)]
        if wrong:
            return fails(f"without {listed(wrong, 5)}")
    return ok(f"{len(lines)} lines for {len(visit.sent)} requests")


@point(
    "logs.trace",
    "The lines of a request have the `trace_id` of its `traceparent`, and a `span_id`.",
    "add the ids of the current span to the formatter, in hexadecimal digits",
)
def trace(visit: Visit) -> Verdict:
    """Look for the ids of what was sent."""
    records = _records(visit)
    for sent in visit.sent:
        if sent.sampled and not _of(sent, records):
            return fails(f"no line of {sent.method} {sent.path} with trace_id {sent.trace_id}")
    return ok(f"all of {sum(sent.sampled for sent in visit.sent)}")


@point(
    "logs.errors",
    "The line of a request answered with 5xx has the level `error`.",
    "choose the level by the answer's status: error from 500 on, else info",
)
def errors(visit: Visit) -> Verdict:
    """Look at the line of a request that failed."""
    records = _records(visit)
    failed = [each for each in visit.sent if each.sampled and each.status >= 500]
    if not failed:
        raise CannotCheckError("no request was answered with 5xx; faults make one")
    levels = {str(line.get("level")).lower() for line in _of(failed[0], records)}
    if not levels:
        raise CannotCheckError("its line cannot be found without the trace id")
    seen = f"{failed[0].status} is {listed(sorted(levels))}"
    return ok(seen) if levels & {"error", "critical"} else fails(seen)


@point(
    "logs.counted",
    "`log_entries_total` counts every line.",
    "count where the line is written, by component and level",
)
def counted(visit: Visit) -> Verdict:
    """Compare the lines with what has risen."""
    before, lines = visit.first.values(_ENTRIES), _lines(visit)
    # A line is counted after it is written.
    time.sleep(PAUSE)
    now = visit.scrape().values(_ENTRIES)
    if not now:
        return not_checked(f"there is no {_ENTRIES}")
    risen = sum(now.values()) - sum(before.values())
    seen = f"{len(lines)} lines, counted {risen:g}"
    return ok(seen) if risen >= len(lines) else fails(seen)


@point(
    "logs.secrets",
    "No line holds the cookies of its request.",
    "hide the values of keys such as cookie, authorization, token and password",
)
def secret(visit: Visit) -> Verdict:
    """Look for the cookie that was sent."""
    found = [line for line in _lines(visit) if visit.secret in line]
    return fails(found[0].replace(visit.secret, "<cookie>")) if found else ok("not the one sent")


POINTS = (json, fields, form, request, trace, errors, counted, secret)
_ENTRIES = "log_entries_total"


def _lines(visit: Visit) -> list[str]:
    """Return the lines that were written meanwhile."""
    log = visit.lines
    if not log.texts:
        _ = visit.known, visit.unknown
        log.wait_for(*(sent.trace_id for sent in visit.sent if sent.sampled))
    if not log.texts:
        raise CannotCheckError("no line was written meanwhile: is it this service's log?")
    return log.texts


def _records(visit: Visit) -> list[dict[str, Any]]:
    _lines(visit)
    return visit.lines.records()


def _of(sent: Sent, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        each
        for each in records
        if each.get("trace_id") == sent.trace_id
        and _SPAN_ID.fullmatch(str(each.get("span_id", "")))
    ]


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_moment(text: object) -> bool:
    if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
