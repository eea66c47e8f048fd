"""The inbox and a real Alertmanager: what it resolves by itself, and how it is silenced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.inbox.links import silence_command
from stack.ops.binaries import find_binaries
from stack.ops.ports import free_port
from tests.integration.conftest import shared_binaries, until
from tests.integration.inbox_pages import Inbox, inbox_with, moment

CONFIG = """
route: {{receiver: inbox, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: inbox
    webhook_configs: [{{url: '{url}/api/v2/alerts', send_resolved: true}}]
"""
LABELS = {"alertname": 'It\'s "down"', "path": "C:\\x {a=~b}, $(id)", "two.parts": "größer\nals"}


@dataclass(frozen=True)
class Pair:
    """An inbox, the Alertmanager that sends to it, and its tool."""

    inbox: Inbox
    alertmanager: str
    amtool: Path

    def fire(self, started: str, seconds: float) -> None:
        """Say that it fires since then, as Prometheus does: it holds for some seconds."""
        alert = {"labels": LABELS, "startsAt": started, "endsAt": moment(-seconds)}
        httpx.post(f"{self.alertmanager}/api/v2/alerts", json=[alert]).raise_for_status()

    def kept(self) -> dict[str, Any]:
        """Return the one alert that the inbox has; IndexError while it has none."""
        alerts = httpx.get(f"{self.inbox.url}/api/alerts").json()["alerts"]
        assert len(alerts) <= 1
        found: dict[str, Any] = alerts[0]
        return found


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    binaries = find_binaries(shared_binaries().parent, lambda _: None)
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "alertmanager.yml"
    with inbox_with(tmp_path / "inbox") as inbox, (tmp_path / "log").open("wb") as log:
        config.write_text(CONFIG.format(url=inbox.url), encoding="utf-8")
        command: list[str | Path] = [
            binaries.alertmanager,
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            f"--web.external-url=http://{address}",
            "--enable-feature=utf8-strict-mode",
            "--cluster.listen-address=",
        ]
        running = subprocess.Popen(command, stdout=log, stderr=log, cwd=binaries.directory)
        try:
            ready = f"http://{address}/-/ready"
            until(lambda: httpx.get(ready).status_code == 200, "Alertmanager is ready")
            yield Pair(inbox, f"http://{address}", binaries.amtool)
        finally:
            running.terminate()
            running.wait(20)


def test_what_alertmanager_resolved_by_itself_is_opened_again(pair: Pair) -> None:
    """It heard nothing for a while, then of the same start: one entry, whose history tells it."""
    started = moment(30)
    pair.fire(started, seconds=3)
    until(lambda: pair.kept()["status"] == "firing", "it fires")
    until(lambda: pair.kept()["status"] == "resolved", "it is resolved")
    pair.fire(started, seconds=300)
    until(lambda: pair.kept()["status"] == "firing", "it fires again")
    kept = pair.kept()
    assert kept["external_url"] == pair.alertmanager
    assert kept["group_labels"] == {"alertname": LABELS["alertname"]}
    history = httpx.get(f"{pair.inbox.url}/api/alerts/{kept['fingerprint']}").json()
    (occurrence,) = history["occurrences"]
    said = [each["status"] for each in occurrence["transitions"]]
    assert said == ["firing", "resolved", "firing"]
    assert history["fired_in_last_7_days"] == 2
    assert 25 < occurrence["delivery_delay_seconds"] < 60


def test_the_command_silences_this_alert_alone(pair: Pair) -> None:
    """Run as the page shows it, whatever the labels say."""
    pair.fire(moment(5), seconds=300)
    until(pair.kept, "the inbox has it")
    command = silence_command(pair.kept())
    path = f"{pair.amtool.parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (silence,) = httpx.get(f"{pair.alertmanager}/api/v2/silences").json()
    assert {each["name"]: each["value"] for each in silence["matchers"]} == LABELS
    assert all(each["isEqual"] and not each["isRegex"] for each in silence["matchers"])
    (alert,) = httpx.get(f"{pair.alertmanager}/api/v2/alerts").json()
    assert alert["status"]["state"] == "suppressed"
