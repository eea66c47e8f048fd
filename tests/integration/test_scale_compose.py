"""The pairs as containers: found by their names, asked as one, and missed by nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stack.errors import OpsError
from stack.ops.docker.compose import Compose
from stack.ops.docker.images import SERVICES
from stack.ops.scale.ports import SCALED
from tests.integration.conftest import (
    PORTS,
    SPEED,
    Pipeline,
    compose_here,
    labelled,
    needs_images,
    until,
)
from tests.required import skip_containers

pytestmark = pytest.mark.timeout(700)

GATEWAYS = 3
FORGET = """
import pathlib, shutil
for block in pathlib.Path("/prometheus").glob("*/meta.json"):
    shutil.rmtree(block.parent)
"""
# Those that a question goes through.
CALLED = {"gateway", "retrieval", "llm"}


def needs_thanos() -> None:
    """Leave the test out where the further images cannot be had."""
    here = compose_here()
    try:
        _ = Compose(replace(here.plan, scale=True), lambda _: None).chosen
    except OpsError as error:
        skip_containers(f"containers: {error}")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One stack of pairs, with one gateway more than it has by default."""
    needs_images()
    needs_thanos()
    running = Pipeline(tmp_path_factory.mktemp("pairs"), "compose", ports=(*PORTS, *SCALED))
    running.env["GATEWAY_REPLICAS"] = str(GATEWAYS)
    try:
        up = running.stack("up", "--scale", "--speed", str(SPEED), timeout=500)
        assert up.returncode == 0, up.stdout + up.stderr
        yield running
    finally:
        down = running.stack("down", "--volumes")
        running.http.close()
    assert down.returncode == 0, down.stdout + down.stderr
    assert labelled(compose_here().engine, running.project) == []


def test_every_container_is_scraped_by_both(pairs: Pipeline) -> None:
    """Each of several is found by the name of all; nothing that is scraped is away."""
    gateways = 'count(max_over_time(up{service="gateway"}[4s]) == 1)'

    def found() -> bool:
        return bool(pairs.everywhere(gateways)[0]["value"][1] == str(GATEWAYS))

    until(found, "all gateways are scraped", 60)
    until(lambda: not pairs.everywhere("max_over_time(up[4s]) == 0"), "all answer", 60)
    by_replica = "count by (replica) (max_over_time(up[4s]))"

    def both() -> bool:
        answer = pairs.get("QUERY_FRONTEND_PORT", "/api/v1/query", query=by_replica, dedup="false")
        counts = {each["metric"]["replica"]: each["value"][1] for each in answer["data"]["result"]}
        return len(counts) == 2 and len(set(counts.values())) == 1

    until(both, "both Prometheus scrape the same number of targets", 60)


def test_questions_are_spread_over_the_gateways(pairs: Pipeline) -> None:
    """And each of them is answered, traced and counted."""
    for _ in range(6 * GATEWAYS):
        assert pairs.ask().status_code == 200
    asked = 'sum by (instance) (http_server_request_duration_seconds_count{http_route="/ask"}) > 0'
    until(lambda: len(pairs.everywhere(asked)) == GATEWAYS, "every gateway has answered some")
    trace = pairs.ask().json()["trace_id"]
    until(lambda: pairs.trace(trace)["spans"], "its trace is found")


def test_objectives_are_the_rulers(pairs: Pipeline) -> None:
    """Its records are asked for as all others are."""
    left = "slo:error_budget_remaining:ratio"
    until(lambda: len(pairs.everywhere(left)) >= 5, "every budget is recorded", 60)


def test_a_killed_prometheus_leaves_no_gap(pairs: Pipeline) -> None:
    """While one is away the other's samples are answered."""
    engine = compose_here().engine
    name = f"{pairs.project}-prometheus-1"
    until(lambda: pairs.everywhere('count_over_time(up{service="inbox"}[5s]) > 2'), "scraped", 30)
    began = int(time.time())
    engine.run("kill", name)
    try:
        until(lambda: time.time() - began > 12, "twelve seconds go by")
        (each,) = pairs.everywhere(
            'count_over_time(up{service="inbox"}[5s])', start=began - 4, end=began + 10, step=1
        )
        assert [at for at, _ in each["values"]] == list(range(began - 4, began + 11))
    finally:
        engine.run("start", name)


def test_blocks_are_read_back_from_the_bucket(pairs: Pipeline, tmp_path: Path) -> None:
    """What the S3 server was given is answered after the Prometheus that had it has lost it."""
    engine, name = compose_here().engine, f"{pairs.project}-prometheus-1"
    history = tmp_path / "history.txt"
    began = int(time.time()) - 6 * 3600
    samples = "\n".join(f"work_done {number} {began + 60 * number}" for number in range(60))
    history.write_text(f"# TYPE work_done gauge\n{samples}\n# EOF\n")
    backfill = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "/dev/stdin",
        "/prometheus",
    ]
    engine.run("exec", "--interactive", name, *backfill, stdin=history)
    asked = "max_over_time(work_done[12h])"
    uploads = 'sum(thanos_shipper_uploads_total{instance="sidecar-a:10902"})'
    blocks = len({f"{began + 60 * number - (began + 60 * number) % 7200}" for number in range(60)})

    def uploaded() -> bool:
        found = pairs.everywhere(uploads)
        return bool(found) and float(found[0]["value"][1]) >= blocks

    until(uploaded, "every block is in the bucket", 120)
    engine.run("stop", name)
    try:
        python = ["--entrypoint=python3", SERVICES, "-c", FORGET]
        engine.run("run", "--rm", "--user=65534:65534", f"--volumes-from={name}", *python)
    finally:
        engine.run("start", name)
    until(lambda: pairs.query("up"), "Prometheus is back", 60)
    assert pairs.query(asked) == []
    found = until(lambda: pairs.everywhere(asked), "the store has read the bucket", 120)
    assert found[0]["value"][1] == "59"


@pytest.mark.parametrize("away", ["collector-a", "collector-b"])
def test_a_killed_collector_costs_no_trace(pairs: Pipeline, away: str) -> None:
    """What is asked while one is away is found whole: the balancer hands spans to the other."""
    engine, name = compose_here().engine, f"{pairs.project}-{away}-1"
    engine.run("kill", name)
    try:
        traces = [pairs.ask().json()["trace_id"] for _ in range(10)]

        def whole() -> bool:
            return all(_services_of(pairs.trace(each)) >= CALLED for each in traces)

        until(whole, "every trace has the spans of every service", 60)
    finally:
        engine.run("start", name)
    health = "--format={{.State.Health.Status}}"
    until(lambda: engine.run("inspect", health, name).strip() == "healthy", "it is back", 90)


def test_the_console_asks_all(pairs: Pipeline) -> None:
    """Its pages are those of the one machine."""
    page = pairs.http.get(pairs.url("CONSOLE_PORT", "/d/stack-overview"))
    assert page.status_code == 200
    assert "cannot be reached" not in page.text


def _services_of(trace: dict[str, Any]) -> set[str]:
    return {each["serviceName"] for each in trace["processes"].values()}
