"""A receiver that was down gets all that it missed, and the inbox has none of it twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest
from werkzeug.serving import make_server

from services.inbox.app import create_app
from services.inbox.settings import Settings
from stack.ops.ports import free_port
from stack.testing import eventually
from tests.alerting import Alertmanager, alert, running

pytestmark = pytest.mark.timeout(60)

NOTIFICATIONS = "/api/v2/alerts"


class Faulty:
    """The inbox's application, and in front of it what may befall a request.

    Args:
        inbox: the application.
    """

    def __init__(self, inbox: Callable[..., Iterable[bytes]]) -> None:
        self._inbox = inbox
        self._over = threading.Event()
        self.fault = ""
        self.failed = 0

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not self.fault or environ["PATH_INFO"] != NOTIFICATIONS:
            return self._inbox(environ, start)
        self.failed += 1
        if self.fault == "answers 503":
            start("503 Service Unavailable", [("Content-Length", "0")])
            return []
        if self.fault == "stores, then hangs":
            list(self._inbox(environ, lambda *_: bytes))
        self._over.wait(30)
        start("504 Gateway Timeout", [("Content-Length", "0")])
        return []

    def mend(self) -> None:
        """End the fault; what hangs is let go."""
        self.fault = ""
        self._over.set()


@contextmanager
def serving(application: Faulty, port: int) -> Iterator[None]:
    """Serve on a port that nothing listens on before and after."""
    server = make_server("127.0.0.1", port, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        application.mend()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def inbox(tmp_path: Path) -> Faulty:
    return Faulty(create_app(Settings(database_path=tmp_path / "inbox.db")))


def pages(start: int, number: int, *, ended: bool = False) -> list[dict[str, Any]]:
    """Return pages of as many services: each is a message of its own."""
    return [
        alert("HighErrorRatio", {"service": f"service-{i}", "severity": "page"}, ended=ended)
        for i in range(start, start + number)
    ]


def stored(port: int, status: str) -> list[str]:
    """Return the services whose alert the inbox has with that status, once for each it has."""
    query = {"alertname": "HighErrorRatio", "status": status}
    answer = httpx.get(f"http://127.0.0.1:{port}/api/alerts", params=query)
    answer.raise_for_status()
    return sorted(each["labels"]["service"] for each in answer.json()["alerts"])


def notifications(port: int) -> list[tuple[str, str]]:
    """Return what the inbox has been told, message by message."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/notifications")
    answer.raise_for_status()
    found = answer.json()["notifications"]
    return sorted((each["group_labels"]["service"], each["status"]) for each in found)


def without_repetition(config: dict[str, Any]) -> None:
    """Let only what was not acknowledged come again, however slow the machine is."""
    for route in config["route"]["routes"]:
        route["repeat_interval"] = "1h"


def services(start: int, number: int) -> list[str]:
    return [f"service-{i}" for i in range(start, start + number)]


def check_outage(alertmanager: Alertmanager, port: int, over: Callable[[], object]) -> None:
    """Fire more in an outage that has been seen, end it, and wait for all of it and its end."""
    alertmanager.post(*pages(3, 3))
    over()
    eventually(lambda: stored(port, "firing") == services(0, 6), "all are in the inbox")
    alertmanager.post(*pages(0, 6, ended=True))
    eventually(lambda: stored(port, "resolved") == services(0, 6), "all are over")
    assert stored(port, "firing") == []


@pytest.mark.parametrize("fault", ["answers 503", "hangs", "stores, then hangs"])
def test_nothing_is_lost_or_doubled_while_the_inbox(
    inbox: Faulty, tmp_path: Path, fault: str
) -> None:
    """Fails for a while: six alerts, three of them new in the outage, are there once each."""
    inbox.fault = fault
    port = free_port()
    with (
        serving(inbox, port),
        running(
            tmp_path / "alertmanager", inbox=f"127.0.0.1:{port}", change=without_repetition
        ) as started,
    ):
        started.post(*pages(0, 3))
        eventually(lambda: inbox.failed >= 4, "some have been sent again")
        check_outage(started, port, inbox.mend)
        told = notifications(port)
    # What was stored but not acknowledged has to be sent again; only the alerts are there once.
    if fault == "stores, then hangs":
        assert len(told) > 12
    else:
        both = [(name, status) for name in services(0, 6) for status in ("firing", "resolved")]
        assert told == both


def test_nothing_is_lost_while_the_inbox_is_away(inbox: Faulty, tmp_path: Path) -> None:
    """Nothing listens at first; what fired before and meanwhile arrives once it does."""
    port = free_port()
    with running(
        tmp_path / "alertmanager", inbox=f"127.0.0.1:{port}", change=without_repetition
    ) as started:
        started.post(*pages(0, 3))
        failed = "alertmanager_notification_requests_failed_total"
        eventually(lambda: started.counted(failed, integration="webhook") >= 4, "some were retried")
        server = serving(inbox, port)
        try:
            check_outage(started, port, server.__enter__)
            assert len(notifications(port)) == 12
        finally:
            server.__exit__(None, None, None)


def test_the_watchdog_comes_again_and_again(inbox: Faulty, tmp_path: Path) -> None:
    """It is sent once, repeated by Alertmanager through the receiver `dead-man`, and seen."""
    port = free_port()
    with serving(inbox, port), running(tmp_path / "alertmanager", inbox=f"127.0.0.1:{port}") as am:
        am.post(alert("Watchdog", {"service": "prometheus", "severity": "info"}))
        address = f"http://127.0.0.1:{port}/api"

        def receivers() -> list[str]:
            told = httpx.get(f"{address}/notifications").json()["notifications"]
            return [each["receiver"] for each in told]

        eventually(lambda: len(receivers()) >= 3, "it came three times")
        assert set(receivers()) == {"dead-man"}
        assert httpx.get(f"{address}/alerts").json()["watchdog"]["state"] == "ok"


def test_an_end_that_is_not_told_does_not_look_like_news(inbox: Faulty, tmp_path: Path) -> None:
    """A ticket ends while a page keeps it back: the page goes on coming, the ticket does not."""
    labels = {"service": "gateway", "severity": "ticket"}
    port = free_port()

    def heard() -> dict[str, tuple[str, int]]:
        found = httpx.get(f"http://127.0.0.1:{port}/api/alerts").json()["alerts"]
        return {each["labels"]["alertname"]: (each["status"], each["deliveries"]) for each in found}

    def often(config: dict[str, Any]) -> None:
        for route in config["route"]["routes"]:
            route["repeat_interval"] = "2s"

    with (
        serving(inbox, port),
        running(tmp_path / "alertmanager", inbox=f"127.0.0.1:{port}", change=often) as started,
    ):
        started.post(alert("HighLatency", labels))
        eventually(lambda: "HighLatency" in heard(), "the ticket is there")
        started.post(alert("HighErrorRatio", {**labels, "severity": "page"}))
        eventually(lambda: "HighErrorRatio" in heard(), "the page is there")
        started.post(alert("HighLatency", labels, ended=True))
        before = heard()
        eventually(
            lambda: heard()["HighErrorRatio"][1] >= before["HighErrorRatio"][1] + 3,
            "the page is told again and again",
        )
        status, deliveries = heard()["HighLatency"]
        assert status == "firing"
        assert deliveries <= before["HighLatency"][1] + 1
