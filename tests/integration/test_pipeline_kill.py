"""Any process may be killed under load: the others go on, it comes back, nothing stored is lost."""

import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests.integration.conftest import until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)

COMPONENTS = (
    "gateway",
    "retrieval",
    "llm",
    "inbox",
    "prometheus",
    "alertmanager",
    "jaeger",
    "loadgen",
)
# Without these the gateway cannot give its full answer; without the others it can.
ON_THE_PATH = {"gateway", "retrieval"}


@pytest.fixture
def load(pipeline: "Pipeline") -> Iterator[list[int]]:
    """Questions asked one after the other; the status of each, 0 for no answer."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=5.0) as client:
            while not over.is_set():
                try:
                    answer = client.post(
                        pipeline.url("GATEWAY_PORT", "/ask"), json={"question": "What is a span?"}
                    )
                    statuses.append(answer.status_code)
                except httpx.HTTPError:
                    statuses.append(0)

    thread = threading.Thread(target=ask)
    thread.start()
    yield statuses
    over.set()
    thread.join()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_process_comes_back(pipeline: "Pipeline", load: list[int], component: str) -> None:
    """SIGKILL: the outage is contained, the component is healthy again, its data is there."""
    stored = _stored(pipeline)
    killed = psutil.Process(pipeline.status()[component]["pid"])
    asked = len(load)
    _kill_tree(killed)

    until(lambda: _back(pipeline, component, killed), f"{component} is back", deadline=60)
    if component not in ON_THE_PATH:
        until(lambda: len(load) > asked + 3, "the load went on")
        assert set(load[asked:]) == {200}, "nobody asking the gateway noticed"
    until(lambda: pipeline.ask().status_code == 200, "the gateway answers")
    until(lambda: _stored(pipeline) >= stored, "what was stored is still there")
    until(
        lambda: {s["value"][1] for s in pipeline.query(f'up{{service="{component}"}}')} == {"1"},
        f"{component} is scraped again",
        deadline=60,
    )


def test_a_longer_outage_is_seen_and_reported(pipeline: "Pipeline") -> None:
    """A service that stays away shows in `up` and as TargetDown in the inbox, and resolves."""
    stopped = [psutil.Process(pipeline.status()["retrieval"]["pid"])]
    stopped += stopped[0].children(recursive=True)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: pipeline.query('up{service="retrieval"}')[0]["value"][1] == "0", "up is 0")
        until(lambda: _target_down(pipeline, "firing"), "TargetDown is delivered", deadline=60)
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)
    until(lambda: _target_down(pipeline, "resolved"), "TargetDown is resolved", deadline=60)
    until(lambda: pipeline.ask().status_code == 200, "the gateway answers again", deadline=60)


def _kill_tree(process: psutil.Process) -> None:
    for each in [process, *process.children(recursive=True)]:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue


def _back(pipeline: "Pipeline", component: str, killed: psutil.Process) -> bool:
    row = pipeline.status().get(component, {})
    return row.get("healthy") is True and row.get("pid") != killed.pid


def _stored(pipeline: "Pipeline") -> set[str]:
    """Name what the inbox and the trace store have acknowledged before now."""
    alerts = pipeline.get("INBOX_PORT", "/api/alerts", limit=1000)["alerts"]
    kept: set[str] = {f"alert {a['fingerprint']} {a['starts_at']}" for a in alerts}
    started = pipeline.query("prometheus_tsdb_head_min_time_seconds")
    return kept | {f"samples since {s['value'][1]}" for s in started if float(s["value"][1]) < 0}


def _target_down(pipeline: "Pipeline", status: str) -> list[dict[str, Any]]:
    return [
        alert
        for alert in pipeline.alerts("TargetDown")
        if alert["labels"]["service"] == "retrieval" and alert["status"] == status
    ]


def test_the_store_of_metrics_survives(pipeline: "Pipeline") -> None:
    """Samples from before Prometheus was killed can be queried after it."""
    began = time.time()
    until(lambda: time.time() - began > 2, "two seconds of samples")
    process = psutil.Process(pipeline.status()["prometheus"]["pid"])
    _kill_tree(process)
    until(lambda: _back(pipeline, "prometheus", process), "prometheus is back", deadline=60)
    old = until(
        lambda: pipeline.get(
            "PROMETHEUS_PORT", "/api/v1/query", query='up{service="gateway"}', time=began
        )["data"]["result"],
        "the old sample",
    )
    assert old[0]["value"][1] == "1"
