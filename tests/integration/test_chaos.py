"""The seven scenarios on the running services; their twins in process are in tests/chaos."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from stack.ops.chaos import oracles as must
from stack.ops.chaos.cli import chaos
from stack.ops.chaos.run import choose
from stack.ops.chaos.scenarios import SCENARIOS
from tests.integration.conftest import ROOT, until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(600)
local = pytest.mark.parametrize("pipeline", ["local"], indirect=True)


def played(pipeline: "Pipeline", wanted: str) -> list[dict[str, Any]]:
    """Play scenarios; return what the command says of each, whose oracles are all met."""
    ended = pipeline.stack("chaos", "--json", wanted, timeout=580)
    assert ended.stdout, ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)["scenarios"]
    unmet = [(each["name"], each["failed"], each["events"]) for each in found if each["failed"]]
    assert unmet == []
    assert ended.returncode == 0, ended.stderr
    assert all(oracle["met"] for each in found for oracle in each["oracles"])
    return found


@local
def test_every_scenario_is_seen_contained_and_over(pipeline: "Pipeline") -> None:
    """All seven, one after the other; each has a time line, and leaves no fault behind."""
    found = played(pipeline, "ALL")
    assert [each["name"] for each in found] == [each.name for each in SCENARIOS]
    for each in found:
        times = [event["after"] for event in each["events"]]
        assert times == sorted(times)
        assert {"the fault is over"} <= {event["what"] for event in each["events"]}
    assert faults(pipeline) == []


@pytest.mark.parametrize("pipeline", ["compose"], indirect=True)
def test_a_cascade_stops_in_containers_too(pipeline: "Pipeline") -> None:
    """The same scenario, by the same addresses."""
    (cascade,) = played(pipeline, "4")
    assert cascade["name"] == "cascade"
    assert faults(pipeline) == []


@local
def test_a_fault_that_nobody_feels_fails_the_scenario(
    pipeline: "Pipeline", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status is 1, and the last line names the oracle that was not met."""
    cascade = choose(["cascade"])[0]
    unfelt = replace(
        cascade,
        on=lambda levers, _: levers.fault("llm", kind="error", path="/not/asked/for"),
        during=(must.opens("llm", within=3), *cascade.during[1:]),
    )
    ended = run_here(pipeline, monkeypatch, unfelt)
    assert ended.exit_code == 1
    last = " ".join(ended.output.split())
    assert "1 of 1 scenarios failed: cascade: detection: not so: gateway's breaker around" in last
    assert "llm opens within 3 s (never)" in last
    assert faults(pipeline) == []


@local
def test_a_fault_without_a_breaker_in_between_fails_the_scenario(
    pipeline: "Pipeline", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the gateway itself fails nothing contains it: the callers feel each error."""
    cascade = choose(["cascade"])[0]
    uncontained = replace(
        cascade,
        on=lambda levers, _: levers.fault(
            "gateway", kind="error", status=503, path="/ask", probability=0.5
        ),
        # Two seconds of it are enough.
        during=(answers(20),),
        afterwards=(must.whole(),),
    )
    ended = run_here(pipeline, monkeypatch, uncontained)
    assert ended.exit_code == 1
    last = " ".join(ended.output.split())
    assert "1 of 1 scenarios failed: cascade: containment: not so:" in last
    rows = [row.split() for row in ended.output.splitlines()]
    assert ["containment", "NO", "callers", "see", "no", "error"] in [row[:6] for row in rows]
    assert faults(pipeline) == []


@local
def test_ctrl_c_ends_the_fault(pipeline: "Pipeline") -> None:
    """Whenever it comes; the exit status is the signal's, as shells have it."""
    with playing(pipeline) as going:
        until(lambda: faults(pipeline), "the fault is on", deadline=60)
        going.send_signal(signal.SIGINT)
        assert going.wait(timeout=60) == 128 + signal.SIGINT
    assert faults(pipeline) == []
    until(lambda: not pipeline.ask().json()["degraded"], "full answers again", deadline=60)


def answers(count: int) -> must.Oracle:
    """Be met after so many answers."""
    return must.Oracle(
        must.DETECTION,
        f"{count} answers",
        lambda stage: len(stage.answered()) >= count,
        lambda stage: str(len(stage.answered())),
        lambda _: 30.0,
    )


def run_here(pipeline: "Pipeline", monkeypatch: pytest.MonkeyPatch, scenario: Any) -> Any:
    """Run the command in this process, with another cascade."""
    monkeypatch.setattr("stack.ops.chaos.cli.choose", lambda _: [scenario])
    return CliRunner().invoke(chaos, ["cascade"], obj=pipeline.run_dir)


@contextmanager
def playing(pipeline: "Pipeline") -> Iterator[subprocess.Popen[bytes]]:
    """Have a scenario played; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "stack.ops.cli", "chaos", "cascade"],
        cwd=ROOT,
        env=pipeline.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as going:
        try:
            yield going
        finally:
            if going.poll() is None:
                os.killpg(going.pid, signal.SIGKILL)


def faults(pipeline: "Pipeline") -> list[object]:
    """List the faults that are on at the services."""
    token = (pipeline.run_dir / "secrets" / "faults_token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    ports = ("GATEWAY_PORT", "RETRIEVAL_PORT", "LLM_PORT")
    answers = [pipeline.http.get(pipeline.url(port, "/faults"), headers=headers) for port in ports]
    return [fault for answer in answers for fault in answer.json()["faults"]]
