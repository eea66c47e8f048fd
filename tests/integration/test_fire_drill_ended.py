"""A drill that is ended early leaves nothing behind; what a killed one leaves, the next undoes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.ops import run_folder
from tests.integration.conftest import ROOT, Pipeline, until

pytestmark = pytest.mark.timeout(300)

# One of each kind: a halted component, further rules, a changed file, a fault.
ALERTS = ("TargetDown", "PrometheusRuleFailing", "AlertmanagerConfigReloadFailed", "WorkersBusy")


@contextmanager
def drilling(pipeline: Pipeline) -> Iterator[subprocess.Popen[bytes]]:
    """Have a drill go on, all of whose faults are on; it is killed at the end.

    Its alerts are silenced: the faults last, since nothing is delivered. None may fire before that:
    of the end of what is silenced the inbox would never hear.
    """
    until(lambda: firing(pipeline).isdisjoint(ALERTS), "all is quiet", deadline=120)
    silences = [pipeline.silence(alert) for alert in ALERTS]
    with subprocess.Popen(
        [sys.executable, "-m", "stack.ops.cli", "fire-drill", *ALERTS],
        cwd=ROOT,
        env=pipeline.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as going:
        try:
            until(lambda: len(disturbed(pipeline)) == len(ALERTS), "its faults are on", deadline=90)
            yield going
        finally:
            going.kill()
            for silence in silences:
                pipeline.http.delete(
                    pipeline.url("ALERTMANAGER_PORT", f"/api/v2/silence/{silence}")
                ).raise_for_status()


def firing(pipeline: Pipeline) -> set[str]:
    """Name what is active in Prometheus, or fires as far as the inbox knows."""
    active = pipeline.get("PROMETHEUS_PORT", "/api/v1/alerts")["data"]["alerts"]
    heard = pipeline.get("INBOX_PORT", "/api/alerts", status="firing", limit=1000)["alerts"]
    return {alert["labels"]["alertname"] for alert in [*active, *heard]}


def disturbed(pipeline: Pipeline) -> set[str]:
    """Name what is not as it was started."""
    plan = run_folder.load(pipeline.run_dir)
    assert plan is not None
    rules = plan.config / "prometheus" / "rules"
    alertmanager = plan.config / "alertmanager" / "alertmanager.yml"
    found = {
        "rules": any(rules.glob("drill-*")),
        "file": "no_such_field" in alertmanager.read_text(),
        "fault": bool(faults(pipeline)),
        "halted": halted(pipeline),
    }
    return {what for what, so in found.items() if so}


def faults(pipeline: Pipeline) -> list[object]:
    """List the faults that are on at retrieval."""
    token = (pipeline.run_dir / "secrets" / "faults_token").read_text().strip()
    answer = pipeline.http.get(
        pipeline.url("RETRIEVAL_PORT", "/faults"), headers={"Authorization": f"Bearer {token}"}
    )
    found: list[object] = answer.json()["faults"]
    return found


def halted(pipeline: Pipeline) -> bool:
    """Tell whether the llm does nothing: its process is stopped, or its container is paused."""
    llm = pipeline.status()["llm"]
    if pipeline.mode == "compose":
        return bool(llm["state"] == "paused")
    stat = Path(f"/proc/{llm['pid']}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("pipeline", ["local"], indirect=True)
def test_a_signal_ends_the_faults(pipeline: Pipeline) -> None:
    """Though it comes twice; the exit status is the signal's, as shells have it."""
    with drilling(pipeline) as going:
        os.kill(going.pid, signal.SIGTERM)
        os.kill(going.pid, signal.SIGTERM)
        assert going.wait(timeout=60) == 128 + signal.SIGTERM
    assert disturbed(pipeline) == set()


def test_what_a_killed_drill_left_is_put_back_by_the_next(pipeline: Pipeline) -> None:
    """And while one goes on, there is no other."""
    with drilling(pipeline) as going:
        other = pipeline.stack("fire-drill", "TargetDown")
        assert other.returncode == 1
        assert "another drill is going on" in other.stderr
        going.kill()
        going.wait(timeout=10)
    assert len(disturbed(pipeline)) == len(ALERTS)
    following = pipeline.stack("fire-drill", "TargetDown")
    assert following.returncode == 0, following.stdout + following.stderr
    assert "putting back what an earlier drill may have left" in following.stdout
    assert disturbed(pipeline) == set()
