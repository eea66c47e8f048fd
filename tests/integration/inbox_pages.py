"""An inbox under gunicorn with alerts in it, and a browser, for the tests of its pages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from stack.ops.ports import free_port
from tests.integration.conftest import ROOT

EXTERNAL_URL = "http://localhost:9093"
_GRAPH = "http://localhost:9090/graph?g0.expr=up+%3D%3D+0"


def moment(seconds_ago: float) -> str:
    """Return a time as Alertmanager writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def alert(
    name: str,
    severity: str,
    labels: dict[str, str],
    summary: str,
    description: str = "",
    *,
    began: float = 60,
    ended: float | None = None,
) -> dict[str, Any]:
    """Make an alert that began, and perhaps ended, so many seconds ago."""
    whole = {"alertname": name, "severity": severity, **labels}
    return {
        "status": "firing" if ended is None else "resolved",
        "labels": whole,
        "annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"http://localhost:8003/runbooks/{name}",
        },
        "startsAt": moment(began),
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else moment(ended),
        "generatorURL": _GRAPH,
        "fingerprint": hashlib.sha256(repr(sorted(whole.items())).encode()).hexdigest()[:16],
    }


def notification(alerts: list[dict[str, Any]], by: tuple[str, ...]) -> dict[str, Any]:
    """Put alerts of one group into a notification; `by` are the labels of the group."""
    labels = {name: alerts[0]["labels"].get(name, "") for name in by}
    return {
        "version": "4",
        "groupKey": f"{{}}:{labels}",
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "receiver": "inbox",
        "groupLabels": {name: value for name, value in labels.items() if value},
        "externalURL": EXTERNAL_URL,
        "alerts": alerts,
    }


BY = ("alertname", "service")


def watchdog() -> dict[str, Any]:
    """Make the alert that always fires."""
    return alert("Watchdog", "info", {}, "Alerts arrive", began=86_400)


def a_few() -> list[dict[str, Any]]:
    """Make notifications of five alerts that fire, and of three that did."""
    calls = {"service": "gateway", "component": "llm"}
    slo = {"service": "gateway", "slo": "gateway-availability"}
    firing = [
        alert(
            "CircuitBreakerOpen",
            "page",
            calls,
            "gateway calls llm no more",
            "The circuit breaker of gateway around llm has been open for 32 s: 61% of its last"
            " 100 calls failed. Answers are made without the language model.",
            began=44,
        ),
        alert(
            "ErrorBudgetBurnFast",
            "page",
            slo,
            "gateway-availability spends its error budget 31 times too fast",
            "3.1% of requests failed in the last 5 minutes and 2.4% in the last hour; 0.1% is"
            " meant to last 30 days. At this rate the budget is spent in 23 hours.",
            began=610,
        ),
        alert(
            "HighLatency",
            "ticket",
            {"service": "retrieval", "http_route": "/search"},
            "retrieval is slow: p95 is 1.42 s",
            "95% of the requests to /search took up to 1.42 s in the last 5 minutes;"
            " the threshold is 1 s.",
            began=4_300,
        ),
        alert(
            "MemoryGrowing",
            "ticket",
            {"service": "llm", "instance": "llm:8002"},
            "llm's memory grows by 18 MB an hour",
            "At this rate its limit of 256 MB is reached in 5 hours.",
            began=15_800,
        ),
        alert(
            "SeriesBudgetExceeded",
            "info",
            {"service": "gateway"},
            "gateway offers 2,310 series",
            "Its budget is 2,000.",
            began=200_000,
        ),
    ]
    over = [
        alert(name, severity, {"service": service}, summary, began=began, ended=ended)
        for name, severity, service, summary, began, ended in (
            (
                "SpansLost",
                "ticket",
                "retrieval",
                "retrieval loses 4% of its spans",
                180_000,
                172_900,
            ),
            ("HighLatency", "ticket", "gateway", "gateway is slow: p95 is 2.1 s", 90_000, 86_700),
            ("TargetDown", "page", "llm", "llm is down", 9_000, 8_580),
        )
    ]
    return [notification([each], BY) for each in [watchdog(), *over, *firing]]


def many(number: int = 500) -> list[dict[str, Any]]:
    """Make notifications of that many alerts that fire: one large group, and many small ones."""
    large = [
        alert(
            "TargetDown",
            "page",
            {"service": "shop", "instance": f"10.0.{n // 200}.{n % 200}:8000"},
            f"shop is down at 10.0.{n // 200}.{n % 200}",
            "It has not answered for 40 s.",
            began=60 + n,
        )
        for n in range(number // 2)
    ]
    small = [
        alert(
            "HighLatency",
            ("page", "ticket", "info")[n % 3],
            {"service": f"service-{n // 2}", "instance": f"orders-{n}.example:8000"},
            f"service-{n // 2} is slow: p95 is {1 + n / 100:.2f} s",
            "95% of the requests took longer than the threshold of 1 s.",
            began=300 + 10 * n,
        )
        for n in range(number - len(large))
    ]
    by_service: dict[str, list[dict[str, Any]]] = {}
    for each in small:
        by_service.setdefault(each["labels"]["service"], []).append(each)
    groups = [[watchdog()], large, *by_service.values()]
    return [notification(group, BY) for group in groups]


class Inbox:
    """An inbox of its own process; it can be ended, and started again on the same database."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "inbox.log").open("ab")
        self._environment = {
            **os.environ,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "DATABASE_PATH": str(folder / "inbox.db"),
            "JAEGER_URL": "http://localhost:16686",
            "OTEL_TRACES_EXPORTER": "none",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        config, app = "services/gunicorn.conf.py", "services.inbox.app:create_app()"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", config, app],
            cwd=ROOT,
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"the inbox does not start; see {self._log.name}")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._log.close()

    def send(self, *notifications: dict[str, Any]) -> None:
        """Deliver notifications, as Alertmanager does."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            for each in notifications:
                client.post("/api/v2/alerts", json=each).raise_for_status()


@contextmanager
def inbox_with(folder: Path, *notifications: dict[str, Any]) -> Iterator[Inbox]:
    """Run an inbox that has heard these."""
    folder.mkdir(parents=True, exist_ok=True)
    inbox = Inbox(folder)
    try:
        inbox.start()
        inbox.send(*notifications)
        yield inbox
    finally:
        inbox.close()
