"""Ten minutes of bounded load with faults at random: nothing leaks, and nothing is lost.

    .venv/bin/pytest -m slow

`SOAK_SECONDS` and `SOAK_SEED` change how long it goes on, and which faults come when.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests.integration.conftest import SERVICES, SPEED, Pipeline, until

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SEED = int(os.environ.get("SOAK_SEED", "7"))
# Questions per second; of them this many are asked here, one by one, and looked at.
LOAD, OWN = 5, 2
# Seconds after a fault's end in which what it began may still fail: a call's budget, a probe.
AFTER = 8.0
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("LLM_PORT", {"kind": "error", "status": 500}),
    ("LLM_PORT", {"kind": "latency", "latency_seconds": 2.0}),
    ("RETRIEVAL_PORT", {"kind": "error", "status": 503}),
    ("RETRIEVAL_PORT", {"kind": "latency", "latency_seconds": 1.5}),
)
# What a process may grow by when it is warm: a share of what it holds, and what allocators keep.
GROWTH, SPARE = 0.10, 8e6
# Seconds after which an alert must have been sent: its group waits up to 30 for what belongs
# together, and a page that begins meanwhile keeps its ticket back.
TOLD = 45.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 300)]


@dataclass
class Soak:
    """What was seen while it went on; times are those of `time.monotonic`."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    faults: list[tuple[float, float]] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    since: dict[tuple[str, str, str], float] = field(default_factory=dict)
    fired: set[tuple[str, str, str]] = field(default_factory=set)

    def unexplained(self) -> list[tuple[float, int]]:
        """List the requests that failed while no fault could have been why."""
        return [
            (at, status)
            for at, status in self.answers
            if status >= 500
            and not any(began - 1 <= at <= ended + AFTER for began, ended in self.faults)
        ]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A stack of its own, for ten minutes."""
    own = Pipeline(tmp_path / "stack")
    up = own.stack("up", "--speed", str(SPEED), "--load", str(LOAD - OWN))
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield own
    finally:
        own.stack("down", "--volumes")
        own.http.close()


def ask(pipeline: Pipeline, soak: Soak, over: threading.Event) -> None:
    """Ask the gateway until it is over, at its own pace."""
    url = pipeline.url("GATEWAY_PORT", "/ask")
    with httpx.Client(timeout=30) as client:
        while not over.wait(1 / OWN):
            began = time.monotonic()
            try:
                status = client.post(url, json={"question": "What is a span?"}).status_code
            except httpx.HTTPError:
                status = 599
            soak.answers.append((began, status))


def strike(pipeline: Pipeline, soak: Soak, over: threading.Event) -> None:
    """Let services fail, one at a time, for some seconds each, with some seconds between."""
    chance = random.Random(SEED)
    while not over.wait(chance.uniform(10, 30)):
        port, fault = chance.choice(FAULTS)
        lasts = chance.uniform(5, 25)
        share = chance.choice((0.2, 0.5, 1.0))
        began = time.monotonic()
        pipeline.fault(port, **fault, probability=share, duration_seconds=lasts)
        over.wait(lasts)
        pipeline.end_faults(port)
        soak.faults.append((began, time.monotonic()))


def look(pipeline: Pipeline, soak: Soak, roots: dict[str, psutil.Process]) -> None:
    """Note memory and open files of each component, and which alerts people are told of."""
    for name, root in roots.items():
        # All others are the supervisor's children.
        family = [root, *([] if name == "supervisor" else root.children(recursive=True))]
        soak.memory[name].append((time.monotonic(), sum(p.memory_info().rss for p in family)))
        soak.files[name].append(sum(p.num_fds() for p in family))
    now, active = time.monotonic(), set()
    for each in pipeline.get("ALERTMANAGER_PORT", "/api/v2/alerts"):
        if each["status"]["state"] == "active":
            labels = each["labels"]
            active.add((labels["alertname"], labels.get("service", ""), labels["severity"]))
    soak.since = {alert: soak.since.get(alert, now) for alert in active}
    soak.fired |= {alert for alert, began in soak.since.items() if now - began > TOLD}


def slope(points: list[tuple[float, float]]) -> float:
    """Return bytes a second, by least squares."""
    times, values = zip(*points, strict=True)
    found: float = statistics.linear_regression(times, values).slope
    return found


def test_ten_minutes_of_faults_leave_nothing_behind(pipeline: Pipeline) -> None:
    """Memory and files are flat, alerts arrive, log lines can be read, and only faults fail."""
    soak, over = Soak(), threading.Event()
    status = pipeline.status()
    roots = {name: psutil.Process(row["pid"]) for name, row in status.items() if row["pid"]}
    workers = [threading.Thread(target=work, args=(pipeline, soak, over)) for work in (ask, strike)]
    for worker in workers:
        worker.start()
    try:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            look(pipeline, soak, roots)
            time.sleep(5)
    finally:
        over.set()
        for worker in workers:
            worker.join(60)
    assert len(soak.faults) >= SECONDS / 60
    assert len(soak.answers) > SECONDS * OWN / 10
    assert soak.unexplained() == []

    print(f"\n{len(soak.answers)} questions, {len(soak.faults)} faults, seed {SEED}")
    print(f"{'component':14}{'memory':>9}{'slope':>14}{'files':>12}")
    grown = []
    for name, points in soak.memory.items():
        # Until then caches fill, and what is loaded late is loaded.
        warm = points[len(points) // 4 :]
        mean, rate = statistics.fmean(value for _, value in warm), slope(warm)
        files = soak.files[name]
        first, last = (statistics.median(part) for part in (files[: len(files) // 4], files[-8:]))
        print(
            f"{name:14}{mean / 1e6:6.0f} MB{rate * 3600 / 1e6:9.1f} MB/h{first:6.0f} →{last:4.0f}"
        )
        if rate * (warm[-1][0] - warm[0][0]) > GROWTH * mean + SPARE:
            grown.append(f"{name} grows by {rate * 3600 / 1e6:.1f} MB/h")
        if last > first + 8:
            grown.append(f"{name} had {first} files open, and has {last}")
    assert grown == []

    def arrived() -> bool:
        lost = [each for each in soak.fired if not _stored(pipeline, *each)]
        if lost:
            raise ValueError(lost)
        return True

    assert soak.fired, "faults made alerts fire"
    until(arrived, "every alert that people are told of is in the inbox", deadline=60)
    for service in SERVICES:
        assert len(pipeline.log_lines(service)) > 10, "every line is JSON"


def _stored(pipeline: Pipeline, name: str, service: str, severity: str) -> bool:
    if name == "Watchdog":
        return bool(pipeline.query("inbox_watchdog_last_seen_timestamp_seconds > 0"))
    return any(
        alert["labels"].get("service", "") == service and alert["labels"]["severity"] == severity
        for alert in pipeline.alerts(name)
    )
