"""A stack that answers as a healthy one does, but for what a test says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from stack.ops.components import Plan
from stack.ops.doctor.sources import SERVICES, Sources
from stack.ops.ports import DEFAULTS
from stack.ops.scale.ports import SCALED

ROOT = Path(__file__).parents[2]
PORTS = {port: name for name, port in {**DEFAULTS, **SCALED}.items()}
TRACES = {name: f"{at:032x}" for at, name in enumerate(SERVICES, 1)}

Series = tuple[dict[str, str], float]
Answer = Callable[[httpx.Request], httpx.Response]


def target(service: str, error: str = "", health: str = "") -> dict[str, Any]:
    """Return a target as Prometheus lists it."""
    return {
        "labels": {"service": service, "job": "services"},
        "scrapePool": "services",
        "scrapeUrl": f"http://{service}/metrics",
        "lastError": error,
        "health": health or ("down" if error else "up"),
    }


def rule(name: str, health: str = "ok", error: str = "") -> dict[str, Any]:
    """Return a rule as Prometheus lists it."""
    return {"name": name, "type": "alerting", "health": health, "lastError": error}


def moment(seconds_ago: float) -> str:
    """Return a time as the components write it."""
    return datetime.fromtimestamp(time.time() - seconds_ago, UTC).isoformat()


def of_each(value: float, **labels: str) -> list[Series]:
    """Return a series with that value for each service."""
    return [({"service": name, **labels}, value) for name in SERVICES]


@dataclass
class FakeStack:
    """Answers the doctor's questions.

    Args:
        folder: the run folder.
        silent: variables of the ports on which nothing answers.
        replies: by variable and path, in place of the healthy answer.
        series: the answer to the first pattern that is found in a query.
        asked: the queries.
    """

    folder: Path
    silent: set[str] = field(default_factory=set)
    replies: dict[tuple[str, str], Any] = field(default_factory=dict)
    series: list[tuple[str, list[Series]]] = field(default_factory=list)
    skew: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = Plan(ROOT, self.folder, DEFAULTS)
        self.plan.secrets.mkdir(mode=0o700, parents=True)
        for name in ("metrics_token", "faults_token"):
            (self.plan.secrets / name).write_text("token\n")
            (self.plan.secrets / name).chmod(0o600)

    def sources(self) -> Sources:
        """Return what the checks ask."""
        return Sources(self.plan, httpx.MockTransport(self._answer))

    def has(self, pattern: str, *series: Series) -> None:
        """Let queries with that pattern have these series."""
        self.series.insert(0, (pattern, list(series)))

    def reply(self, port: str, path: str, body: Any, status: int = 200) -> None:
        """Let a path answer so."""
        self.replies[port, path] = httpx.Response(
            status, text=body if isinstance(body, str) else json.dumps(body)
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        port = PORTS[request.url.port or 0]
        if port in self.silent:
            raise httpx.ConnectError("refused", request=request)
        path = request.url.path
        found = self.replies.get((port, path))
        if found is None:
            found = httpx.Response(200, json=self._healthy(port, path, request))
        found.headers["date"] = formatdate(time.time() + self.skew, usegmt=True)
        return found

    def _healthy(self, port: str, path: str, request: httpx.Request) -> Any:
        if path == "/api/v1/query":
            return self._queried(parse_qs(request.url.query.decode())["query"][0])
        if path == "/api/v1/query_range":
            values = [[0, "1"]] * 10 + [[0, "0"]] * 4
            return {"data": {"result": [{"values": values}]}}
        return HEALTHY[path]() if path in HEALTHY else {"faults": []}

    def _queried(self, expression: str) -> Any:
        self.asked.append(expression)
        found = next((s for pattern, s in self.series if re.search(pattern, expression)), None)
        if found is None:
            found = next((s for pattern, s in USUAL if re.search(pattern, expression)), [])
        return {"data": {"result": [{"metric": dict(m), "value": [0, str(v)]} for m, v in found]}}


def _exemplars() -> dict[str, Any]:
    return {
        "data": [
            {
                "seriesLabels": {"service": name},
                "exemplars": [{"labels": {"trace_id": TRACES[name]}, "timestamp": time.time() - 8}],
            }
            for name in SERVICES
        ]
    }


def _targets() -> dict[str, Any]:
    names = (*SERVICES, "prometheus", "alertmanager", "jaeger")
    return {"data": {"activeTargets": [target(name) for name in names]}}


def _head() -> dict[str, Any]:
    names = [{"name": "http_requests_total", "value": 60}]
    return {"data": {"headStats": {"numSeries": 900}, "seriesCountByMetricName": names}}


def _watchdog() -> dict[str, Any]:
    return {"watchdog": {"state": "ok", "last_seen": moment(5), "timeout_seconds": 300.0}}


def _rules() -> dict[str, Any]:
    group = {"name": "targets", "file": "targets.rules.yml", "rules": [rule("TargetDown")]}
    return {"data": {"groups": [group]}}


HEALTHY: Mapping[str, Callable[[], Any]] = {
    "/api/v1/targets": _targets,
    "/api/v1/status/tsdb": _head,
    "/api/v1/status/runtimeinfo": lambda: {
        "data": {"lastConfigTime": moment(900), "startTime": moment(900)}
    },
    "/api/v1/status/buildinfo": lambda: {"data": {"version": "3.5.3"}},
    "/api/v1/status/flags": lambda: {"data": {"enable-feature": "exemplar-storage"}},
    "/api/v1/alertmanagers": lambda: {"data": {"activeAlertmanagers": [{"url": "http://am"}]}},
    "/api/v1/rules": _rules,
    "/api/v1/query_exemplars": _exemplars,
    "/api/v2/silences": list,
    "/api/v2/alerts": list,
    "/api/v2/status": lambda: {"versionInfo": {"version": "0.33.1"}},
    "/api/services": lambda: {"data": list(SERVICES)},
    "/api/alerts": _watchdog,
}
USUAL: list[tuple[str, list[Series]]] = [
    (r"^threshold:", []),
    (r"resets\(", []),
    (r"failed_total|errors_total|dropped_total|exceeded", []),
    (r"notification_requests_total", [({"integration": "webhook"}, 3.0)]),
    (r"reload_successful", [({}, 1.0)]),
    (r"telemetry_spans_total.*> 0", of_each(10.0)),
    (r"telemetry_spans_total", of_each(10.0, outcome="exported")),
    (r"http_server_request_duration_seconds_count", of_each(5.0)),
    (r"http_server_max_active_requests", of_each(16.0)),
    (r"by \(job\)", [({"job": "services"}, 300.0)]),
    (r"scrape_samples", of_each(100.0)),
    (r"min1h", of_each(1e8)),
    (r"process_resident_memory_bytes", of_each(1e8)),
    (r'circuit_breaker_state\{state="closed"', [({"service": "gateway", "component": "llm"}, 1.0)]),
    (r"stack_build_info", of_each(1.0, version="0.1.0")),
]
