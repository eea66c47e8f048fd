"""What only containers can suffer: a Jaeger that is paused, a network that is cut."""

import statistics
import threading
import time
from datetime import UTC, datetime

import httpx
import pytest

from stack.ops.docker.engine import Engine
from tests.integration.conftest import Pipeline, compose_here, needs_images, until

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("pipeline", ["compose"], indirect=True),
]

PAUSE_SECONDS = 60
QUESTION = {"question": "What is a span?"}


@pytest.fixture
def engine() -> Engine:
    needs_images()
    return compose_here().engine


class Asker:
    """Asks the gateway all the time, from several threads."""

    def __init__(self, url: str, threads: int = 4) -> None:
        self.answers: list[tuple[float, int, float]] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> "Asker":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> tuple[set[int], float]:
        """Return the statuses, and the 95th percentile of the latencies in seconds."""
        found = [(status, took) for at, status, took in self.answers if begin <= at < end]
        percentiles = statistics.quantiles((took for _, took in found), n=20)
        return {status for status, _ in found}, percentiles[-1]

    def _ask(self) -> None:
        with httpx.Client(timeout=15.0) as client:
            while not self._over.is_set():
                began = time.monotonic()
                try:
                    status = client.post(self._url, json=QUESTION).status_code
                except httpx.HTTPError:
                    status = 0
                self.answers.append((began, status, time.monotonic() - began))


def test_a_paused_jaeger_is_not_noticed_by_who_asks(pipeline: Pipeline, engine: Engine) -> None:
    """A minute without it: answers are as quick, spans lost and counted, reported, resolved."""
    container = pipeline.container("jaeger")
    with Asker(pipeline.url("GATEWAY_PORT", "/ask")) as asker:
        calm = time.monotonic()
        until(lambda: len(asker.answers) > 200, "answers before the pause", deadline=60)
        engine.run("pause", container)
        paused, since = time.monotonic(), datetime.now(UTC)
        try:
            until(lambda: _lost(pipeline) > 0, "lost spans are counted", deadline=60)
            until(lambda: _alert(pipeline, "firing", since), "SpansLost is delivered", deadline=60)
            until(lambda: time.monotonic() > paused + PAUSE_SECONDS, "a minute", deadline=90)
        finally:
            engine.run("unpause", container)
        over = time.monotonic()
    before, during = asker.between(calm, paused), asker.between(paused, over)
    assert before[0] == during[0] == {200}
    assert during[1] <= 2 * before[1] + 0.25
    until(lambda: _alert(pipeline, "resolved", since), "SpansLost is resolved", deadline=120)
    asked = pipeline.ask().json()["trace_id"]
    until(lambda: pipeline.trace(asked), "new traces are kept", deadline=60)


def test_a_cut_network_hides_telemetry_but_not_the_service(
    pipeline: Pipeline, engine: Engine
) -> None:
    """The gateway without telemetry's network: it answers, `up` is 0, and all is well after."""
    container, network = pipeline.container("gateway"), f"{pipeline.project}_telemetry"
    engine.run("network", "disconnect", network, container)
    try:
        assert pipeline.ask().status_code == 200
        until(lambda: _up(pipeline) == "0", "up is 0")
        until(lambda: _target_down(pipeline, "firing"), "TargetDown is delivered", deadline=60)
        assert pipeline.ask().status_code == 200
    finally:
        engine.run("network", "connect", "--alias=gateway", network, container)
    until(lambda: _up(pipeline) == "1", "up is 1", deadline=60)
    until(lambda: _target_down(pipeline, "resolved"), "TargetDown is resolved", deadline=60)
    asked = pipeline.ask().json()["trace_id"]
    until(lambda: pipeline.trace(asked), "its traces arrive again", deadline=60)


def _lost(pipeline: Pipeline) -> float:
    found = pipeline.query('sum(telemetry_spans_total{outcome=~"dropped|failed"})')
    return float(found[0]["value"][1])


def _up(pipeline: Pipeline) -> str:
    return str(pipeline.query('up{service="gateway"}')[0]["value"][1])


def _alert(pipeline: Pipeline, status: str, since: datetime) -> bool:
    """Tell whether one that began after `since` has that status."""
    return any(
        each["status"] == status and datetime.fromisoformat(each["starts_at"]) > since
        for each in pipeline.alerts("SpansLost")
    )


def _target_down(pipeline: Pipeline, status: str) -> bool:
    return any(
        each["status"] == status and each["labels"]["service"] == "gateway"
        for each in pipeline.alerts("TargetDown")
    )
