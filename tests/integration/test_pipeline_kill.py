"""Any process may be killed under load: the others go on, it comes back, nothing stored is lost."""

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

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
TRACED = {"gateway", "retrieval", "llm"}
WRITES_EVERY = "--data.maintenance-interval"
SNAPSHOTS = "alertmanager_silences_snapshot_duration_seconds_count"


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
    killed = pipeline.process(component)
    asked_for = pipeline.ask().json()["trace_id"]
    until(lambda: _services(pipeline, asked_for) == TRACED, "its trace is stored")
    stored = _stored(pipeline, asked_for)
    asked = len(load)
    _kill_tree(killed)

    until(lambda: _back(pipeline, component, killed), f"{component} is back", deadline=60)
    if component not in ON_THE_PATH:
        until(lambda: len(load) > asked + 3, "the load went on")
        assert set(load[asked:]) == {200}, "nobody asking the gateway noticed"
    until(lambda: pipeline.ask().status_code == 200, "the gateway answers")
    until(lambda: _stored(pipeline, asked_for) >= stored, "what was stored is still there")
    until(lambda: _up(pipeline, component) == {"1"}, f"{component} is scraped again", deadline=60)


def _up(pipeline: "Pipeline", component: str) -> set[str]:
    return {each["value"][1] for each in pipeline.query(f'up{{service="{component}"}}')}


def _kill_tree(process: psutil.Process) -> None:
    for each in [process, *process.children(recursive=True)]:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue


def _back(pipeline: "Pipeline", component: str, killed: psutil.Process) -> bool:
    row = pipeline.status().get(component, {})
    return row.get("healthy") is True and row.get("pid") != killed.pid


def _stored(pipeline: "Pipeline", trace_id: str) -> set[str]:
    """Name what the inbox and the trace store have acknowledged before now."""
    alerts = pipeline.get("INBOX_PORT", "/api/alerts", limit=1000)["alerts"]
    spans = pipeline.trace(trace_id)["spans"]
    kept = {f"alert {each['fingerprint']} {each['starts_at']}" for each in alerts}
    return kept | {f"span {each['spanID']}" for each in spans}


def _services(pipeline: "Pipeline", trace_id: str) -> set[str]:
    return {each["serviceName"] for each in pipeline.trace(trace_id)["processes"].values()}


def test_the_store_of_metrics_survives(pipeline: "Pipeline") -> None:
    """Samples from before Prometheus was killed can be queried after it."""
    began = time.time()
    until(lambda: time.time() - began > 2, "two seconds of samples")
    process = pipeline.process("prometheus")
    _kill_tree(process)
    until(lambda: _back(pipeline, "prometheus", process), "prometheus is back", deadline=60)
    old = until(
        lambda: pipeline.get(
            "PROMETHEUS_PORT", "/api/v1/query", query='up{service="gateway"}', time=began
        )["data"]["result"],
        "the old sample",
    )
    assert old[0]["value"][1] == "1"


def test_a_silence_survives(pipeline: "Pipeline") -> None:
    """Once Alertmanager has written it down, which it does now and then, killing it loses none."""
    process = pipeline.process("alertmanager")
    if WRITES_EVERY not in " ".join(process.cmdline()):
        pytest.xfail(f"Alertmanager writes silences every 15 minutes: {WRITES_EVERY} is not set")
    silence = pipeline.silence()
    try:
        written = _snapshots(pipeline)
        until(lambda: _snapshots(pipeline) > written, "silences are written", deadline=90)
        _kill_tree(process)
        until(lambda: _back(pipeline, "alertmanager", process), "alertmanager is back", deadline=60)
        assert silence in pipeline.silences()
    finally:
        pipeline.http.delete(pipeline.url("ALERTMANAGER_PORT", f"/api/v2/silence/{silence}"))


def _snapshots(pipeline: "Pipeline") -> float:
    exposition = pipeline.http.get(pipeline.url("ALERTMANAGER_PORT", "/metrics")).text
    (line,) = (each for each in exposition.splitlines() if each.startswith(SNAPSHOTS))
    return float(line.split()[-1])
