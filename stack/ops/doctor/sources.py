"""What the checks ask: the components' HTTP APIs, each question bounded in time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from stack.ops.added import added
from stack.ops.components import Plan
from stack.ops.doctor.finding import NotCheckedError
from stack.ops.scale.ports import REPLICAS, replicas

# Seconds for one answer: what hangs must not keep the doctor waiting.
PATIENCE = 3.0
SERVICES: Mapping[str, str] = {
    "gateway": "GATEWAY_PORT",
    "retrieval": "RETRIEVAL_PORT",
    "llm": "LLM_PORT",
    "inbox": "INBOX_PORT",
}
_OWNERS = {
    **{port: name for name, port in SERVICES.items()},
    "PROMETHEUS_PORT": "Prometheus",
    "QUERY_FRONTEND_PORT": "Thanos",
    "ALERTMANAGER_PORT": "Alertmanager",
    "JAEGER_QUERY_PORT": "the trace store",
    "OTLP_HTTP_PORT": "the OTLP port",
}
# With shards no Prometheus knows these of all targets; Thanos does, by the same paths.
_OF_ALL = {"query", "query_range", "query_exemplars", "targets", "rules"}


def services(plan: Plan) -> dict[str, str]:
    """Return the variable of each service's port, those that were added to the stack's own, too."""
    further = {each.name: each.variable for each in added(plan.root) if each.variable in plan.ports}
    return {**SERVICES, **further}


@dataclass(frozen=True, slots=True)
class Sample:
    """One series now: its labels and value."""

    labels: Mapping[str, str]
    value: float


class Sources:
    """Asks the components of one running stack. Thread-safe.

    Args:
        plan: what runs.
        transport: what carries the requests, for tests.
    """

    def __init__(self, plan: Plan, transport: httpx.BaseTransport | None = None) -> None:
        self.plan = plan
        self.http = httpx.Client(timeout=PATIENCE, transport=transport, trust_env=False)
        self.services = services(plan)

    @property
    def instances(self) -> Mapping[str, str]:
        """The variable of each process' port, where a service runs several times."""
        if not self.plan.scale or self.plan.mode != "local":
            return self.services
        return {
            name: port
            for service, own in self.services.items()
            for name, port in (replicas(service) if service in REPLICAS else [(service, own)])
        }

    def answer(self, port: str, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        """Return an answer, whatever its status.

        Raises:
            NotCheckedError: there is none in time.
        """
        url = self.plan.url(port, path)
        try:
            return self.http.request(method, url, **options)
        except httpx.HTTPError as error:
            owner = _OWNERS.get(port, port)
            raise NotCheckedError(f"{owner} does not answer at {url} ({why(error)})") from error

    def json(self, port: str, path: str, **params: Any) -> Any:
        """Return a JSON answer.

        Raises:
            NotCheckedError: there is none, or it is an error.
        """
        found = self.answer(port, path, params=params)
        try:
            found.raise_for_status()
            return found.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotCheckedError(f"{found.url}: {found.status_code} {found.text[:120]}") from error

    def prometheus(self, path: str, **params: Any) -> Any:
        """Return the data of an answer of Prometheus' API; with shards, of all Prometheus.

        Raises:
            NotCheckedError: there is none.
        """
        of_all = self.plan.shards > 1 and path in _OF_ALL
        port = "QUERY_FRONTEND_PORT" if of_all else "PROMETHEUS_PORT"
        return self.json(port, f"/api/v1/{path}", **params)["data"]

    def query(self, expression: str) -> list[Sample]:
        """Return what an expression is now.

        Raises:
            NotCheckedError: Prometheus does not answer.
        """
        result = self.prometheus("query", query=expression)["result"]
        return [Sample(each["metric"], float(each["value"][1])) for each in result]

    def course(self, expression: str, seconds: float, step: float) -> list[list[float]]:
        """Return the values of each series over the last so many seconds, the newest last.

        Raises:
            NotCheckedError: Prometheus does not answer.
        """
        now = time.time()
        result = self.prometheus(
            "query_range", query=expression, start=now - seconds, end=now, step=step
        )["result"]
        return [[float(value) for _, value in each["values"]] for each in result]

    def threshold(self, name: str, default: float) -> float:
        """Return a threshold of the alerts, so that doctor and alerts agree."""
        found = self.query(f"threshold:{name}")
        return found[0].value if found else default

    def window(self, seconds: float = 60) -> str:
        """Return a range for "just now" in PromQL; the stack's speed makes it shorter."""
        return f"{max(10, round(seconds / self.plan.speed))}s"


def why(error: Exception) -> str:
    """Say in a few words why there is no answer."""
    if isinstance(error, httpx.ConnectError):
        return "nothing listens"
    if isinstance(error, httpx.TimeoutException):
        return f"none in {PATIENCE:g} s"
    return str(error) or type(error).__name__


def listed(samples: list[Sample], label: str, unit: str = "") -> str:
    """Return samples in one line: gateway 3, llm 2."""
    return ", ".join(f"{each.labels.get(label, '?')} {each.value:.0f}{unit}" for each in samples)
