"""A stack of one machine becomes one of pairs: what is killed is not missed, nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.ops import local, run_folder
from stack.ops.cassandra import find_cassandra
from stack.ops.jaeger import find_jaeger
from stack.ops.scale.ports import SCALED
from stack.ops.supervisor import ProcessState, Supervisor
from stack.ops.thanos import find_thanos
from tests.integration.conftest import PORTS, SPEED, Pipeline, shared_binaries, until
from tests.required import skip_scaled

pytestmark = pytest.mark.timeout(700)

# Before the start: what one machine had stored, in blocks of two hours.
HISTORY = 'work_done_total{service="history"}'
HOURS = 3600
BEGAN, ENDED = -10 * HOURS, -4 * HOURS
# Who has a span of every question.
CALLED = {"gateway", "retrieval", "llm"}
# Seconds between two samples when time runs ten times as fast.
SCRAPED = 1


class Scaled(Pipeline):
    """A stack that is made one of pairs, and whose parts can be killed."""

    def __init__(self, run_dir: Path, further_ports: Sequence[str] = ()) -> None:
        super().__init__(run_dir, ports=(*PORTS, *SCALED, *further_ports))
        self.env["STACK_JAEGER"] = "auto"
        self.supervisor = Supervisor(run_dir)

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """Kill a component, and keep it from running."""
        subprocess.run(["kill", "-KILL", str(self._process(component).pid)], check=True)
        until(lambda: self._kept_from_running(component), f"{component} is away")
        try:
            yield
        finally:
            self.supervisor.start_again(component)
            until(lambda: self._answers(component), f"{component} is back", 60)

    def _answers(self, component: str) -> bool:
        plan = run_folder.load(self.run_dir)
        assert plan is not None
        return any(local.healthy(each) for each in local.everything(plan) if each.name == component)

    def _process(self, component: str) -> ProcessState:
        return next(each for each in self.supervisor.processes() if each.name == component)

    def _kept_from_running(self, component: str) -> bool:
        # Between its end and its next start there is nothing that could be ended.
        with suppress(OSError):
            self.supervisor.end(component)
        return self._process(component).state == "STOPPED"

    @contextmanager
    def alert(self, name: str) -> Iterator[None]:
        """Have every Prometheus that runs judge that something is wrong, until it is not."""
        file = self.run_dir / "config" / "prometheus" / "rules" / f"proof-{name}.rules.yml"
        rule = {
            "alert": name,
            "expr": "vector(1)",
            "labels": {"severity": "page", "service": "proof"},
            "annotations": {"summary": name, "description": "Made by a test."},
        }
        file.write_text(yaml.safe_dump({"groups": [{"name": name, "rules": [rule]}]}))
        self._reload()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
            self._reload()

    def delivered(self, name: str) -> list[tuple[str, int]]:
        """Return the state of each alert of that name in the inbox, and how often it was told."""
        return [(each["status"], each["deliveries"]) for each in self.alerts(name)]

    def _reload(self) -> None:
        for each in self.supervisor.processes():
            if each.name in {"prometheus", "prometheus-b"} and each.pid:
                subprocess.run(["kill", "-HUP", str(each.pid)], check=False)


def missing() -> str:
    """Say what a stack at scale lacks here; nothing if it can run."""
    run_dir = shared_binaries().parent
    if find_jaeger(run_dir) is None:
        return "no Jaeger; `make jaeger` builds it"
    if find_thanos(run_dir) is None:
        return "no Thanos; `make thanos` builds it"
    if find_cassandra(run_dir) is None:
        return "no Cassandra; `make cassandra` fetches it"
    return ""


def backfill(promtool: Path, data: Path, began: int = BEGAN) -> None:
    """Store a counter of some hours, as a Prometheus that ran then would have left it."""
    now = int(time.time())
    times = range(now + began, now + ENDED, 60)
    samples = "\n".join(f"{HISTORY} {number} {at}" for number, at in enumerate(times))
    text = f"# TYPE work_done counter\n{samples}\n# EOF\n"
    source = data.parent / "history.txt"
    source.write_text(text)
    subprocess.run(
        [str(promtool), "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)],
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """A stack of one machine, with hours of history and an alert that fires."""
    if reason := missing():
        skip_scaled(reason)
    stack = Scaled(tmp_path_factory.mktemp("scaled"))
    data = stack.run_dir / "data" / "prometheus"
    data.mkdir(parents=True)
    backfill(shared_binaries() / "promtool", data)
    try:
        up = stack.stack("up", "--speed", str(SPEED), "--load", "2")
        assert up.returncode == 0, up.stdout + up.stderr
        yield stack
    finally:
        down = stack.stack("down", "--volumes")
        stack.http.close()
    assert down.returncode == 0, down.stdout + down.stderr


@pytest.fixture(scope="module")
def moved(single: Scaled) -> Iterator[dict[str, Any]]:
    """Make it one of pairs; what was seen on the way."""
    with single.alert("BeforeAndAfter"):
        until(lambda: single.delivered("BeforeAndAfter") == [("firing", 1)], "it is told")
        some = 'count_over_time(up{service="inbox"}[1m]) > 5'
        until(lambda: single.query(some), "there are samples of the one machine")
        seen: dict[str, Any] = {"before": time.time()}
        assert single.stack("down").returncode == 0
        kept = single.run_dir / "config" / "prometheus" / "rules"
        rule = (kept / "proof-BeforeAndAfter.rules.yml").read_text()
        up = single.stack("up", "--scale", "--speed", str(SPEED), "--load", "2", timeout=400)
        assert up.returncode == 0, up.stdout + up.stderr
        seen["after"] = time.time()
        (kept / "proof-BeforeAndAfter.rules.yml").write_text(rule)
        single._reload()
        yield seen


@pytest.fixture
def scaled(single: Scaled, moved: dict[str, Any]) -> Scaled:
    """The stack of pairs."""
    return single


def test_everything_runs_twice_and_is_healthy(scaled: Scaled) -> None:
    """Both of each pair; every target is scraped by both, and answers."""
    status = scaled.status()
    unwell = {name: row["state"] for name, row in status.items() if not row["healthy"]}
    assert not unwell
    pairs = {"prometheus", "alertmanager", "gateway-1", "retrieval-1", "llm-1"}
    pairs |= {"cassandra", "jaeger-query", "jaeger-collector-a", "jaeger-collector-b"}
    others = {"prometheus-b", "alertmanager-b", "gateway-2", "retrieval-2", "llm-2"}
    assert pairs | others <= set(status)
    # A target of the one machine is remembered for minutes, but no longer scraped.
    down = f"max_over_time(up[{4 * SCRAPED}s]) == 0"
    until(lambda: not scaled.everywhere(down), "every target answers", 60)
    scraped = f"count by (replica) (count_over_time(up[{4 * SCRAPED}s]))"

    def by_both() -> bool:
        found = scaled.get("QUERY_FRONTEND_PORT", "/api/v1/query", query=scraped, dedup="false")[
            "data"
        ]["result"]
        counts = {each["metric"]["replica"]: each["value"][1] for each in found}
        return bool(counts["a"] == counts["b"])

    until(by_both, "both scrape the same number of targets")


def test_the_seam_is_not_seen(scaled: Scaled, moved: dict[str, Any]) -> None:
    """What the one machine stored is answered beside what the pair stores, as one series."""
    asked = f"sum(max_over_time({HISTORY}[1h])) > 0"
    began = moved["before"]
    hours = scaled.everywhere(asked, start=began + BEGAN + HOURS, end=began + ENDED, step=HOURS)
    assert len(hours[0]["values"]) == 6
    (inbox,) = scaled.everywhere(
        'up{service="inbox"}', start=began - 5, end=moved["after"] + 5, step=SCRAPED
    )
    times = [at for at, _ in inbox["values"]]
    assert times[0] <= began < moved["after"] <= times[-1]


def test_what_fired_before_fires_on_and_is_told_once(scaled: Scaled) -> None:
    """Neither Alertmanager says again what the one said, and nothing was forgotten.

    With time that runs ten times as fast the way may take longer than an alert is believed in
    without news of it: then it was told to be over, once, and to be back, once.
    """
    firing = 'ALERTS{alertname="BeforeAndAfter", alertstate="firing"}'
    until(lambda: scaled.everywhere(firing), "it fires again")
    both = 'count(max_over_time(up{job="alertmanager"}[4s]) == 1) == 2'
    until(lambda: scaled.everywhere(both), "both Alertmanagers are there")
    # Both have had an alert of later, so they have had this one.
    with scaled.alert("Later"):
        until(lambda: scaled.delivered("Later"), "the later one is told")
        told = scaled.delivered("BeforeAndAfter")
        assert [status for status, _ in told].count("firing") == 1
        assert {deliveries for _, deliveries in told} == {1}


def test_objectives_are_judged_over_all(scaled: Scaled) -> None:
    """By Thanos Ruler, and only by it; their records are asked for as those of one Prometheus."""
    recorded = "slo:error_budget_remaining:ratio"
    found = until(lambda: scaled.everywhere(recorded), "budgets are recorded", 60)
    assert len({each["metric"]["slo"] for each in found}) == len(found) >= 5
    assert scaled.everywhere(f"count_over_time({recorded}[5s])")
    assert scaled.query(f"count_over_time({recorded}[5s])") == []


def test_a_killed_prometheus_leaves_no_gap(scaled: Scaled) -> None:
    """While one is away the other's samples are answered, and an alert is told, once."""
    began = time.time()
    with scaled.without("prometheus"), scaled.alert("OneIsAway"):
        until(lambda: scaled.delivered("OneIsAway") == [("firing", 1)], "it is told")
        until(lambda: time.time() - began > 10, "ten seconds go by")
    ended = time.time()
    recorded = 'slo:sli_total:rate5m{slo="llm-availability"}'
    first, last = int(began) - 5, int(ended) - 5
    for series, window in (('up{service="inbox"}', 5 * SCRAPED), (recorded, 10 * SCRAPED)):
        (each,) = scaled.everywhere(
            f"count_over_time({series}[{window}s])", start=first, end=last, step=1
        )
        assert [at for at, _ in each["values"]] == list(range(first, last + 1))
    assert scaled.delivered("OneIsAway")[0][0] in {"firing", "resolved"}
    until(lambda: scaled.delivered("OneIsAway")[0][0] == "resolved", "it resolves", 60)
    assert len(scaled.delivered("OneIsAway")) == 1


@pytest.mark.parametrize("away", ["alertmanager", "alertmanager-b"])
def test_a_killed_alertmanager_costs_no_alert_and_doubles_none(scaled: Scaled, away: str) -> None:
    """The other tells it, once; the one that comes back learns that it has been told."""
    name = f"Without{away.title().replace('-', '')}"
    with scaled.alert(name):
        with scaled.without(away):
            until(lambda: scaled.delivered(name), "it is told", 60)
            assert scaled.delivered(name) == [("firing", 1)]
        with scaled.alert(f"{name}Later"):
            until(lambda: scaled.delivered(f"{name}Later"), "the later one is told", 60)
        assert scaled.delivered(name) == [("firing", 1)]


def test_blocks_are_read_back_from_the_bucket(scaled: Scaled) -> None:
    """What was uploaded is answered after the Prometheus that had it has lost it."""
    bucket = scaled.run_dir / "data" / "bucket"
    local = scaled.run_dir / "data" / "prometheus"
    blocks = {path.parent.name for path in local.glob("*/meta.json")}
    assert blocks
    there = until(
        lambda: blocks <= {path.parent.name for path in bucket.glob("*/meta.json")} and blocks,
        "every block is in the bucket",
        90,
    )
    for block in there if isinstance(there, set) else blocks:
        labels = json.loads((bucket / block / "meta.json").read_text())["thanos"]["labels"]
        assert labels == {"stack": "local", "replica": "a"}
    asked = f"max_over_time({HISTORY}[12h])"
    before = scaled.everywhere(asked)[0]["value"][1]
    with scaled.without("prometheus"):
        for block in blocks:
            shutil.rmtree(local / block)
    assert scaled.query(asked) == []
    after = until(lambda: scaled.everywhere(asked), "the store has read the bucket", 90)
    assert after[0]["value"][1] == before


@pytest.mark.parametrize("away", ["jaeger-collector-a", "jaeger-collector-b"])
def test_a_killed_collector_costs_no_trace(scaled: Scaled, away: str) -> None:
    """What is asked while one is away is found whole: the balancer hands spans to the other."""
    with scaled.without(away):
        traces = [scaled.ask().json()["trace_id"] for _ in range(20)]

        def whole() -> bool:
            return all(_services_of(scaled.trace(each)) >= CALLED for each in traces)

        until(whole, "every trace has the spans of every service", 60)


def _services_of(trace: dict[str, Any]) -> set[str]:
    return {each["serviceName"] for each in trace["processes"].values()}
