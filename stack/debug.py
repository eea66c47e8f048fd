"""The process's state for a person who looks for what is wrong."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from stack import runtime
from stack.breaker import get_all_circuit_breaker_stats
from stack.logs.clean import REDACTED as HIDDEN
from stack.logs.clean import clean
from stack.metrics import get_prometheus_collector

_SECRETS = frozenset({"metrics_token", "faults_token"})


def export_debug_state() -> dict[str, Any]:
    """Return one JSON-ready dict: metric summaries, traces, breakers, settings without secrets.

    Thread-safe.

    Reading changes nothing: no component, breaker or trace comes to be. Traces are there from the
    first `get_otel_tracer` on.
    """
    known = runtime.current()
    collector = get_prometheus_collector()
    return {
        "service": known.service if known else None,
        "version": known.version if known else None,
        "settings": _settings(known),
        "metrics": {
            name: collector.get_metrics_summary(name) for name in collector.get_components()
        },
        "circuit_breakers": _breakers(),
        "traces": runtime.kept_traces(),
    }


def _settings(known: runtime.Runtime | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {
        name: HIDDEN if name in _SECRETS and value else clean(value)
        for name, value in asdict(known.settings).items()
    }


def _breakers() -> dict[str, dict[str, Any]]:
    found = {name: asdict(stats) for name, stats in get_all_circuit_breaker_stats().items()}
    for stats in found.values():
        # JSON has no infinity: what was forced open has no time for a probe.
        if not math.isfinite(stats["retry_after"]):
            stats["retry_after"] = None
    return found
