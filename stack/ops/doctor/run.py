"""Making every check at the same time, within a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from stack.ops.doctor import (
    alerts,
    breakers,
    correlation,
    machine,
    metrics,
    running,
    traces,
)
from stack.ops.doctor.finding import NOT_CHECKED, OK, PROBLEM, Finding, NotCheckedError, Report
from stack.ops.doctor.sources import Sources

# Seconds after which what has not been answered is not checked.
DEADLINE = 12.0


@dataclass(frozen=True, slots=True)
class Check:
    """One check: of what it looks for the cause, and how."""

    symptom: str
    look: Callable[[Sources], Report]


# To add one, add a line here.
CHECKS: Mapping[str, Check] = {
    "components": Check("not running", running.check),
    "targets": Check("metrics missing", metrics.targets),
    "target list": Check("metrics missing", metrics.listed_targets),
    "scrape limits": Check("metrics missing", metrics.limits),
    "workers": Check("metrics missing", metrics.workers),
    "series": Check("memory", metrics.series),
    "resident memory": Check("memory", metrics.memory),
    "spans": Check("traces missing", traces.spans),
    "OTLP port": Check("traces missing", traces.otlp),
    "trace store": Check("traces missing", traces.stored),
    "sampling": Check("traces missing", traces.sampling),
    "breakers": Check("breaker stuck", breakers.breakers),
    "faults": Check("breaker stuck", breakers.faults),
    "log lines": Check("no correlation", correlation.log_lines),
    "exemplars": Check("no correlation", correlation.exemplars),
    "exemplars' traces": Check("no correlation", correlation.traces_of_exemplars),
    "rules": Check("alerts missing", alerts.rules),
    "configuration": Check("alerts missing", alerts.configuration),
    "to Alertmanager": Check("alerts missing", alerts.to_alertmanager),
    "notifications": Check("alerts missing", alerts.notifications),
    "Watchdog": Check("alerts missing", alerts.watchdog),
    "silences": Check("alerts missing", alerts.silences),
    "clocks": Check("machine", machine.clocks),
    "disks": Check("machine", machine.disks),
    "ports": Check("machine", machine.ports),
    "secrets": Check("machine", machine.secrets),
    "versions": Check("machine", machine.versions),
}


def examine(sources: Sources, deadline: float = DEADLINE) -> list[Finding]:
    """Make all checks, and return what each says, in the order of `CHECKS`.

    Args:
        sources: what is asked.
        deadline: seconds after which a check is given up.
    """
    said: SimpleQueue[Finding] = SimpleQueue()
    for name, check in CHECKS.items():
        # A thread that hangs must not keep the program from ending.
        threading.Thread(target=_make, args=(name, check, sources, said), daemon=True).start()
    ends = time.monotonic() + deadline
    found: dict[str, Finding] = {}
    while len(found) < len(CHECKS):
        try:
            finding = said.get(timeout=max(0.0, ends - time.monotonic()))
        except Empty:
            break
        found[finding.name] = finding
    return [found.get(name) or _given_up(name, deadline) for name in CHECKS]


def _make(name: str, check: Check, sources: Sources, said: SimpleQueue[Finding]) -> None:
    try:
        report = check.look(sources)
    except NotCheckedError as reason:
        said.put(Finding(name, check.symptom, NOT_CHECKED, str(reason)))
    except Exception as error:
        # An answer of an unknown form; the other checks go on.
        reason_text = f"{type(error).__name__}: {error}"
        said.put(Finding(name, check.symptom, NOT_CHECKED, reason_text))
    else:
        verdict = PROBLEM if report.problems else OK
        said.put(Finding(name, check.symptom, verdict, report.seen, tuple(report.problems)))


def _given_up(name: str, deadline: float) -> Finding:
    symptom = CHECKS[name].symptom
    return Finding(name, symptom, NOT_CHECKED, f"not done after {deadline:g} s")
