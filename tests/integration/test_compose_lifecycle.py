"""`make up` and `make down` with containers: chosen by itself, and nothing stored is lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.ops.docker.engine import Engine
from tests.integration.conftest import Pipeline, compose_here, labelled, needs_images, until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Pipeline]:
    """A stack that the test starts itself; whatever happens, nothing of it is left."""
    needs_images()
    pipeline = Pipeline(tmp_path / "run", "auto")
    yield pipeline
    pipeline.stack("down", "--volumes")
    pipeline.http.close()


def test_containers_are_chosen_and_what_they_stored_is_read_by_the_next(stopped: Pipeline) -> None:
    """Up says which images run; down removes all but volumes; the next up reads these."""
    first = stopped.stack("up", "--speed", "10", timeout=600)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "compose mode" in first.stdout
    for name in ("python", "prometheus", "alertmanager", "jaeger"):
        assert f"\n  {name}: " in first.stdout, "it says which image"
    assert "CircuitBreakerOpen" in first.stdout
    assert {each["state"] for each in stopped.status().values()} == {"running"}

    again = stopped.stack("up", timeout=60)
    assert (again.returncode, "already up" in again.stdout) == (0, True)
    other = stopped.stack("up", "--mode", "local")
    assert other.returncode == 1
    assert "`make down` stops it" in other.stderr

    silence = stopped.silence()
    asked = stopped.ask().json()["trace_id"]
    until(lambda: stopped.trace(asked), "the trace is stored")
    alert = until(lambda: stopped.alerts("Watchdog"), "the alert is stored", deadline=60)[0]
    sampled = time.time()
    until(lambda: stopped.query("up == 1"), "samples are stored")
    secret = (stopped.run_dir / "secrets" / "faults_token").read_text()

    down = stopped.stack("down")
    assert down.returncode == 0, down.stderr
    engine = compose_here().engine
    label = f"label=com.docker.compose.project={stopped.project}"
    kept = labelled(engine, stopped.project)
    volumes = engine.run("volume", "ls", "--format={{.Name}}", f"--filter={label}").split()
    assert kept == volumes, "only volumes"
    assert stopped.stack("down").stdout.strip() == "nothing was running"

    second = stopped.stack("up", "--speed", "10", "--load", "0", timeout=600)
    assert second.returncode == 0, second.stdout + second.stderr
    assert stopped.trace(asked)["traceID"] == asked
    assert silence in stopped.silences()
    assert alert["starts_at"] in {each["starts_at"] for each in stopped.alerts("Watchdog")}
    old = stopped.get("PROMETHEUS_PORT", "/api/v1/query", query="up", time=sampled + 5)
    assert old["data"]["result"], "samples of the run before"
    assert (stopped.run_dir / "secrets" / "faults_token").read_text() == secret

    _is_mended(stopped, engine)
    _is_found_without_its_plan(stopped)
    # As one that ran as pairs before has left it.
    engine.run("volume", "create", f"--{label}", f"{stopped.project}_store-data")
    gone = stopped.stack("down", "--volumes")
    assert "data is deleted" in gone.stdout
    assert labelled(engine, stopped.project) == []


def _is_mended(stopped: Pipeline, engine: Engine) -> None:
    """A container that is gone is missed and made again; what runs goes on, with its files."""
    engine.run("rm", "--force", f"{stopped.project}-llm-1")
    assert stopped.status()["llm"]["state"] == "missing"
    pids = {name: row["pid"] for name, row in stopped.status().items() if name != "llm"}
    mended = stopped.stack("up", timeout=600)
    assert mended.returncode == 0, mended.stderr
    status = stopped.status()
    assert status["llm"]["healthy"]
    assert {name: status[name]["pid"] for name in pids} == pids
    targets = stopped.get("PROMETHEUS_PORT", "/api/v1/targets", state="active")["data"]
    services = {each["labels"]["service"] for each in targets["activeTargets"]}
    # The load generator is there also where it is to ask nothing: no target is down for that.
    # The console has nothing to scrape.
    assert services == {*pids, "llm"} - {"console"}


def _is_found_without_its_plan(stopped: Pipeline) -> None:
    """As when it was started by `docker compose up`: seen by `status`, taken on by `up`."""
    (stopped.run_dir / "stack.json").unlink()
    (stopped.run_dir / "secrets" / "faults_token").unlink()
    assert all(row["healthy"] for row in stopped.status().values())
    assert "already up" in stopped.stack("up").stdout
    assert (stopped.run_dir / "secrets" / "faults_token").is_file()


def test_a_container_that_ends_at_once_is_named_and_nothing_is_left(stopped: Pipeline) -> None:
    """The message has the end of its log."""
    stopped.env["LLM_BASE_URL"] = "no-address"
    up = stopped.stack("up", timeout=600)
    assert up.returncode == 1
    assert "gateway" in up.stderr
    assert "LLM_BASE_URL" in up.stderr
    label = f"--filter=label=com.docker.compose.project={stopped.project}"
    assert compose_here().engine.run("ps", "--all", "--quiet", label) == ""
