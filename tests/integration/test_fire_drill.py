"""Every alert is made to fire by its fault, arrives in the inbox once, and is resolved."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from stack.ops.drill.levers import Levers
from stack.ops.drill.run import names
from tests.integration.conftest import Pipeline, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)

STEPS = ("pending", "firing", "delivered", "resolved")
# In containers, one of each way in which a fault is caused.
IN_CONTAINERS = (
    "AlertmanagerConfigReloadFailed",
    "PrometheusRuleFailing",
    "TargetDown",
    "WorkersBusy",
)

# What fires, once, while Alertmanager is away: for the llm, and for Jaeger.
AWAY = {"CircuitBreakerOpen", "TargetDown"}


@pytest.fixture
def fast(tmp_path: "Path") -> Iterator[Pipeline]:
    """A stack whose waiting times are divided by 20."""
    pipeline = Pipeline(tmp_path / "run")
    up = pipeline.stack("up", "--speed", "20")
    assert up.returncode == 0, up.stdout + up.stderr
    yield pipeline
    pipeline.stack("down")
    pipeline.http.close()


def drilled(pipeline: Pipeline, *alerts: str) -> dict[str, dict[str, Any]]:
    """Run drills; return each alert's time line."""
    ended = pipeline.stack("fire-drill", "--json", *alerts, timeout=580)
    assert ended.stdout, ended.stderr
    lines = {each["name"]: each for each in json.loads(ended.stdout)["drills"]}
    assert {name: each["missing"] for name, each in lines.items() if each["missing"]} == {}
    assert ended.returncode == 0, ended.stderr
    for each in lines.values():
        times = [each[step] for step in STEPS]
        assert times == sorted(times), each
        # One may be over before the fault is, which lasts until all of its alerts have arrived.
        assert each["resolved"] > each["delivered"]
    return lines


def test_every_alert_is_delivered_and_resolved(fast: Pipeline) -> None:
    """All of them, each by its own fault, and no occurrence twice in the inbox."""
    lines = drilled(fast, "ALL")
    assert sorted(lines) == names()
    occurrences = defaultdict(list)
    for alert in fast.get("INBOX_PORT", "/api/alerts", limit=1000)["alerts"]:
        if _is_the_drilled(lines[alert["labels"]["alertname"]], alert):
            occurrences[alert["fingerprint"]].append(alert)
    kept = {each[0]["labels"]["alertname"] for each in occurrences.values()}
    assert kept == set(names())
    # Another fault may make an alert fire again; one occurrence is over before the next begins.
    for found in occurrences.values():
        found.sort(key=lambda alert: str(alert["starts_at"]))
        for earlier, later in pairwise(found):
            assert earlier["ends_at"] is not None
            assert _moment(earlier["ends_at"]) <= _moment(later["starts_at"])


@pytest.mark.parametrize("pipeline", ["compose"], indirect=True)
def test_faults_are_caused_in_containers_too(pipeline: Pipeline) -> None:
    """Paused, ended, broken and lied to, and all of it undone."""
    lines = drilled(pipeline, *IN_CONTAINERS)
    assert sorted(lines) == list(IN_CONTAINERS)
    assert pipeline.ask().status_code == 200
    until(
        lambda: all(row["healthy"] for row in pipeline.status().values()),
        "all is healthy",
        deadline=60,
    )


def test_what_fires_while_alertmanager_is_away_arrives_afterwards_once(
    pipeline: Pipeline, levers: Levers
) -> None:
    """Five minutes of real time without it: nothing is lost, and nothing comes twice."""
    plan, since = levers.plan, datetime.now(UTC)
    until(lambda: _watchdog(pipeline) == "ok", "the path of alerts works", deadline=60)
    with levers.fault("llm", kind="error", status=503, path="/v1"), levers.halted("jaeger"):
        with levers.ended("alertmanager"):
            until(lambda: _firing(pipeline) >= AWAY, f"{AWAY} fire", deadline=plan.watchdog_timeout)
            assert _arrived(pipeline, since) == {}
            until(
                lambda: _watchdog(pipeline) == "silent",
                "the inbox misses the Watchdog",
                deadline=2 * plan.watchdog_timeout,
            )
        until(
            lambda: {name for name, _ in _arrived(pipeline, since)} == AWAY,
            "all have arrived",
            deadline=60,
        )
        until(lambda: _watchdog(pipeline) == "ok", "the path of alerts works again", deadline=60)
        assert set(_arrived(pipeline, since).values()) == {("firing",)}, "each once"
    until(
        lambda: set(_arrived(pipeline, since).values()) == {("resolved",)},
        "each is resolved",
        deadline=180,
    )


def _watchdog(pipeline: Pipeline) -> str:
    return str(pipeline.get("INBOX_PORT", "/api/alerts")["watchdog"]["state"])


def _firing(pipeline: Pipeline) -> set[str]:
    firing = pipeline.query('ALERTS{alertstate="firing"}')
    return {each["metric"]["alertname"] for each in firing}


def _arrived(pipeline: Pipeline, since: datetime) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return, by name and fingerprint, the status of each entry of AWAY that began since then."""
    found: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for alert in pipeline.get("INBOX_PORT", "/api/alerts", limit=1000)["alerts"]:
        name = alert["labels"]["alertname"]
        if name in AWAY and datetime.fromisoformat(alert["starts_at"]) > since:
            found[name, alert["fingerprint"]] += (alert["status"],)
    return found


def _is_the_drilled(line: dict[str, Any], alert: dict[str, Any]) -> bool:
    return bool(line["labels"].items() <= alert["labels"].items())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
