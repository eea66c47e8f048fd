"""Whether series lead to traces."""

from __future__ import annotations

import re
import time

from stack.ops.check.point import Verdict, fails, ok, point
from stack.ops.check.scrape import SERVER
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import PAUSE, Visit

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
# Characters of all labels of an exemplar together, by OpenMetrics.
_LONGEST = 128
_TRIES = 8


@point(
    "exemplars.trace",
    f"A request in a sampled trace leaves an exemplar with its trace id on `{SERVER}`.",
    "observe with the exemplar trace_id, span_id of the current span; all workers' must be served",
)
def trace(visit: Visit) -> Verdict:
    """Send requests until one of their traces is found."""
    for _ in range(_TRIES):
        sent = visit.send_known()
        # It is counted when its answer has ended, which is after its last byte.
        time.sleep(PAUSE)
        for name, labels in visit.scrape(openmetrics=True).exemplars():
            if name.startswith(SERVER) and labels.get("trace_id") == sent.trace_id:
                return ok(f"{name} # {{trace_id={sent.trace_id}}}")
    return fails(f"none of {_TRIES} requests' trace ids")


@point(
    "exemplars.form",
    "Exemplars have `trace_id` (32 hexadecimal digits) and `span_id` (16), 128 characters in all.",
    "name them so, in small letters, as W3C's traceparent has them",
)
def form(visit: Visit) -> Verdict:
    """Look at each of them."""
    found = visit.scrape(openmetrics=True).exemplars()
    if not found:
        raise CannotCheckError("there is no exemplar")
    for name, labels in found:
        good = (
            _TRACE_ID.fullmatch(labels.get("trace_id", ""))
            and _SPAN_ID.fullmatch(labels.get("span_id", ""))
            and sum(len(key) + len(value) for key, value in labels.items()) <= _LONGEST
        )
        if not good:
            return fails(f"{name} # {dict(labels)}")
    return ok(f"{len(found)} exemplars")


@point(
    "exemplars.sampled",
    "A request in a trace that is not sampled leaves no exemplar: nobody could follow it.",
    "look at the span's sampled flag first",
)
def sampled(visit: Visit) -> Verdict:
    """Look for the id of such a trace."""
    sent = visit.unsampled
    time.sleep(PAUSE)
    for name, labels in visit.scrape(openmetrics=True).exemplars():
        if sent.trace_id in labels.values():
            return fails(f"{name} # {{trace_id={sent.trace_id}}}")
    return ok("none of a trace with the flags 00")


POINTS = (trace, form, sampled)
