"""Nothing leads from one signal to another: log lines without ids, exemplars, lost traces."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stack.errors import OpsError
from stack.ops import modes
from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources

_LINES = 200
# Share of requests that may be logged without a trace: those that tracing refused as malformed.
_WITHOUT = 0.1
# Spans are sent within a second, and looked for after so many.
_ON_THE_WAY = 5.0
_EXEMPLARS_OF = "http_server_request_duration_seconds_bucket"


@dataclass(slots=True)
class _Lines:
    """What a service's newest log lines are."""

    count: int = 0
    requests: int = 0
    without_trace: int = 0
    plain: int = 0
    first_plain: str = ""

    def take(self, line: str) -> None:
        self.count += 1
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.plain += 1
            self.first_plain = self.first_plain or line.strip()[:80]
        elif record.get("event_type") == "http_request":
            self.requests += 1
            self.without_trace += not record.get("trace_id")


def log_lines(sources: Sources) -> Report:
    """Read the newest log lines of each service."""
    problems, shown = [], []
    for name in sources.instances:
        lines = _Lines()
        try:
            for line in islice(modes.logs(sources.plan, name, _LINES, follow=False), _LINES):
                lines.take(line)
        except (OpsError, OSError) as error:
            problems.append(Problem(f"{name} has no log: {error}", mends.anew(sources.plan)))
            continue
        shown.append(f"{name} {lines.count}")
        problems += _of(name, lines)
    return Report(f"newest lines read: {', '.join(shown)}", problems)


def _of(name: str, lines: _Lines) -> list[Problem]:
    found = []
    if lines.plain:
        found.append(
            Problem(
                f"{lines.plain} of the newest {lines.count} lines of {name} are no JSON, such as "
                f"{lines.first_plain!r}: something prints past the logger",
                mends.log(name),
            )
        )
    if lines.without_trace > _WITHOUT * lines.requests:
        found.append(
            Problem(
                f"{lines.without_trace} of {lines.requests} logged requests of {name} have no "
                "trace_id: it is not traced (OTEL_SDK_DISABLED), or not instrumented",
                mends.log(name),
            )
        )
    return found


def exemplars(sources: Sources) -> Report:
    """Look for exemplars of every service that was asked something."""
    window = sources.window(300)
    busy = {
        each.labels["service"]
        for each in sources.query(
            "sum by (service) "
            f"(increase(http_server_request_duration_seconds_count[{window}])) >= 1"
        )
    }
    if not busy:
        raise NotCheckedError(f"no service was asked anything in {window}")
    newest = _newest(sources)
    problems = []
    if not newest:
        flags = sources.prometheus("status/flags")
        kept = "exemplar-storage" in flags.get("enable-feature", "")
        why = "no span is sampled" if kept else "Prometheus runs without exemplar-storage"
        problems.append(Problem(f"there are no exemplars at all: {why}", mends.log("prometheus")))
    else:
        problems = [
            Problem(
                f"{name} was asked in {window}, and none of its requests has an exemplar: no span "
                "is sampled (OTEL_TRACES_SAMPLER), or its /metrics is not scraped as OpenMetrics",
                mends.log(name),
            )
            for name in sorted(busy - {*newest})
        ]
    shown = ", ".join(f"{name} {age:.0f} s" for name, (age, _) in sorted(newest.items()))
    return Report(f"age of the newest exemplar: {shown or 'none'}", problems)


def traces_of_exemplars(sources: Sources) -> Report:
    """Follow each service's newest exemplar to its trace."""
    found = {
        name: trace
        for name, (age, trace) in _newest(sources, _ON_THE_WAY).items()
        if age >= _ON_THE_WAY
    }
    if not found:
        raise NotCheckedError("there is no exemplar old enough for its trace to be stored")
    problems = []
    for name, trace in sorted(found.items()):
        answer = sources.answer("JAEGER_QUERY_PORT", f"/api/traces/{trace}")
        if answer.status_code != 200:
            problems.append(
                Problem(
                    f"the exemplar of {name} leads to trace {trace}, which is not there "
                    f"({answer.status_code}): its spans were lost, or are no longer kept",
                    mends.get(sources.plan, "JAEGER_QUERY_PORT", f"/api/traces/{trace}"),
                )
            )
    return Report(f"exemplars followed to their traces: {', '.join(sorted(found))}", problems)


def _newest(sources: Sources, least_age: float = 0.0) -> dict[str, tuple[float, str]]:
    """Return each service's newest exemplar of some age: its age in seconds and its trace."""
    now = time.time()
    window = max(60.0, 600 / sources.plan.speed)
    series: list[dict[str, Any]] = sources.prometheus(
        "query_exemplars", query=_EXEMPLARS_OF, start=now - window, end=now
    )
    found: dict[str, tuple[float, str]] = {}
    for each in series:
        name = each["seriesLabels"].get("service", "?")
        for exemplar in each["exemplars"]:
            age, trace = now - exemplar["timestamp"], exemplar["labels"].get("trace_id", "")
            if trace and age >= least_age and (name not in found or age < found[name][0]):
                found[name] = (age, trace)
    return found
