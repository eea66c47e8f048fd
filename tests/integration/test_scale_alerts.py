"""Parts of a stack of pairs fail in earnest; each failure's alert fires, and ends with its mend."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stack.errors import OpsError
from stack.ops.binaries import Binaries, find_binaries
from stack.ops.components import Component, Plan, alertmanager
from stack.ops.drill.background import in_background
from stack.ops.local import healthy, write_files
from stack.ops.ports import LOCALHOST, free_ports
from stack.ops.scale.balancer import find_balancer
from stack.ops.scale.metrics import prometheus_pairs, thanos
from stack.ops.scale.ports import SCALED
from stack.ops.scale.services import balancer
from stack.ops.secrets import make_secrets
from stack.ops.thanos import find_thanos
from tests.integration.conftest import PORTS, until
from tests.integration.test_scale import HOURS, backfill
from tests.required import skip_scaled
from tests.rules.contracts import SCRAPED, contracts

pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parents[2]
# The sidecar tries every 30 s, at any speed; a window that it fits into has to be left.
SPEED = 20.0
ALERTS = (
    *("ThanosQueryIncomplete", "ThanosUploadFailing", "ThanosBucketFailing"),
    *("ThanosCompactionHalted", "ThanosAlertsLost", "BalancerErrors"),
)
# Enough blocks for some of them to be joined.
BEGAN = -36 * HOURS
# Seconds after which the balancer gives a request up, and how many are made at a time, so that in
# each second some are given up.
_GIVEN_UP, _ASKING = 5, 10
PROOF = {
    "alert": "Proof",
    "expr": "vector(1)",
    "labels": {"severity": "page", "service": "proof"},
    "annotations": {"summary": "Proof", "description": "Made by a test."},
}


class Parts:
    """One Prometheus of a pair, Thanos over it and the balancer, as processes of the test's own."""

    def __init__(self, plan: Plan, binaries: Binaries, program: Path, caddy: Path) -> None:
        self.plan = plan
        self.binaries = binaries
        # The bucket is on a disk of its own, which can go away.
        self.disk = plan.data / "disk"
        bucket = {"BUCKET_DIR": str(self.disk / "bucket")}
        known = [
            prometheus_pairs(plan, binaries)[0],
            *(replace(each, environment=bucket) for each in thanos(plan, program)),
            alertmanager(plan, binaries),
            balancer(plan, caddy),
        ]
        self.components = {each.name: each for each in known}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start them as they are run, and wait until they are ready."""
        for name in names:
            self.run(self.components[name])
        for name in names:
            until(lambda name=name: healthy(self.components[name]), f"{name} is ready", 90)  # type: ignore[misc]

    def run(self, component: Component) -> None:
        """Start one, or start it anew in another way."""
        self.end(component.name)
        with (self.plan.run_dir / f"{component.name}.log").open("ab") as log:
            self._running[component.name] = subprocess.Popen(
                component.command,
                cwd=component.directory or self.plan.root,
                env={**os.environ, **component.environment},
                stdout=log,
                stderr=log,
            )

    def end(self, *names: str) -> None:
        """Kill them, if they run."""
        for name in names or list(self._running):
            if process := self._running.pop(name, None):
                process.kill()
                process.wait(20)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        url = self.plan.url("PROMETHEUS_PORT", "/api/v1/query")
        found: list[dict[str, Any]] = httpx.get(url, params={"query": expression}).json()["data"][
            "result"
        ]
        return found

    def firing(self) -> dict[str, Mapping[str, str]]:
        """Return the labels of what fires, by its name."""
        url = self.plan.url("PROMETHEUS_PORT", "/api/v1/alerts")
        alerts = httpx.get(url).json()["data"]["alerts"]
        return {
            each["labels"]["alertname"]: each["labels"]
            for each in alerts
            if each["state"] == "firing"
        }

    def blocks(self, folder: Path) -> set[str]:
        """Name the blocks in a folder."""
        return {path.parent.name for path in folder.glob("*/meta.json")}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """All that is needed, well: what one machine had stored is in the bucket."""
    run_dir = tmp_path_factory.mktemp("alerts")
    try:
        binaries, caddy = find_binaries(ROOT / ".run", print), find_balancer(ROOT / ".run", print)
    except OpsError as error:
        skip_scaled(str(error))
    program = find_thanos(ROOT / ".run")
    if program is None:
        skip_scaled("no Thanos; `make thanos` builds it")
    plan = Plan(ROOT, run_dir, free_ports((*PORTS, *SCALED)), speed=SPEED, scale=True)
    make_secrets(plan.secrets)
    write_files(plan)
    rules = plan.config / "thanos" / "rules" / "slo-proof.rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "proof", "rules": [PROOF]}]}))
    (plan.data / "prometheus").mkdir(parents=True)
    backfill(binaries.promtool, plan.data / "prometheus", BEGAN)
    running = Parts(plan, binaries, program, caddy)
    (running.disk / "bucket").mkdir(parents=True)
    try:
        running.start("prometheus", "sidecar-a", "store", "query", "rule", "balancer")
        until(
            lambda: running.blocks(running.disk / "bucket") >= running.blocks(_local(plan)),
            "what there was is uploaded",
            120,
        )
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def broken(parts: Parts) -> Iterator[Parts]:
    """Break each of them; nobody is behind the balancer or takes an alert from the start."""
    until(
        lambda: parts.query("thanos_shipper_dir_sync_failures_total == 0"),
        "Prometheus has seen them well",
        90,
    )
    _halt_compactor(parts)
    # A store that cannot read its bucket does not start.
    _move_store(parts)
    _take_bucket_away(parts)
    turns = itertools.count()
    with in_background(lambda over: _ask(parts, over, next(turns)), at_once=_ASKING):
        yield parts


@pytest.fixture(scope="module")
def mended(broken: Parts) -> Iterator[Parts]:
    """Mend them, as their runbooks say."""
    broken.disk.unlink()
    (broken.plan.data / "away").rename(broken.disk)
    shutil.rmtree(broken.plan.data / "damaged" / _damaged(broken))
    broken.run(_compactor(broken))
    broken.start("store", "alertmanager")
    with _gateway(broken.plan.ports["GATEWAY_1_PORT"]):
        yield broken


@pytest.mark.parametrize("name", ALERTS)
def test_it_fires(broken: Parts, name: str) -> None:
    """And says which part it is about."""
    labels = until(lambda: broken.firing().get(name), f"{name} fires", 120)
    at_fault = {
        "ThanosUploadFailing": ("instance", broken.plan.bind("SIDECAR_A_PORT")),
        "ThanosCompactionHalted": ("instance", broken.plan.bind("COMPACT_PORT")),
        "ThanosAlertsLost": ("instance", broken.plan.bind("RULE_PORT")),
        "ThanosBucketFailing": ("service", "thanos"),
        "ThanosQueryIncomplete": ("service", "thanos"),
        "BalancerErrors": ("server", "gateway"),
    }
    label, value = at_fault[name]
    assert isinstance(labels, Mapping)
    assert labels[label] == value


@pytest.mark.parametrize("component", ["thanos", "caddy"])
def test_a_part_exposes_what_its_contract_says(broken: Parts, component: str) -> None:
    """Every metric that a rule asks for, with the labels that it is said to have."""
    (contract,) = [each for each in contracts() if each.component == component]
    for metric, labels in contract.metrics.items():
        found = until(lambda metric=metric: broken.query(metric), f"{metric} is there")  # type: ignore[misc]
        shown = {label for each in found for label in each["metric"]}
        assert shown - SCRAPED - {"__name__"} == labels, metric


@pytest.mark.parametrize("name", ALERTS)
def test_it_ends(mended: Parts, name: str) -> None:
    """When the part does its work again."""
    until(lambda: name not in mended.firing(), f"{name} has ended", 120)


def test_what_waited_is_done(mended: Parts) -> None:
    """The block is uploaded, the others are compacted, and the objective's alert is told."""
    until(
        lambda: mended.blocks(mended.disk / "bucket") >= mended.blocks(_local(mended.plan)),
        "every block is in the bucket",
        120,
    )
    until(lambda: mended.query("thanos_compact_iterations_total > 0"), "the compactor has run", 90)
    alerts = mended.plan.url("ALERTMANAGER_PORT", "/api/v2/alerts")
    until(
        lambda: [each for each in httpx.get(alerts).json() if each["labels"]["service"] == "proof"],
        "the ruler's alert is there",
        90,
    )


def _local(plan: Plan) -> Path:
    return plan.data / "prometheus"


def _halt_compactor(parts: Parts) -> None:
    """Give it a bucket of its own with a damaged block."""
    bucket = parts.plan.data / "damaged"
    shutil.copytree(parts.disk / "bucket", bucket)
    with (bucket / _damaged(parts) / "chunks" / "000001").open("r+b") as chunks:
        chunks.seek(40)
        chunks.write(b"x" * 16)
    parts.run(_compactor(parts))


def _damaged(parts: Parts) -> str:
    """Name an early block, which is among the first to be joined."""
    return sorted(parts.blocks(_local(parts.plan)))[1]


def _compactor(parts: Parts) -> Component:
    known = parts.components["compact"]
    return replace(
        known,
        # Blocks that have just been made are else left alone for half an hour.
        command=(*known.command, "--consistency-delay=0s"),
        environment={"BUCKET_DIR": str(parts.plan.data / "damaged")},
    )


def _take_bucket_away(parts: Parts) -> None:
    """Put a file in its disk's place, and let there be a block to upload at once."""
    parts.end("sidecar-a")
    parts.disk.rename(parts.plan.data / "away")
    parts.disk.write_text("no disk\n")
    before = parts.blocks(_local(parts.plan))
    backfill(parts.binaries.promtool, _local(parts.plan))
    assert parts.blocks(_local(parts.plan)) > before
    parts.run(parts.components["sidecar-a"])


def _move_store(parts: Parts) -> None:
    """Let it listen where no query looks for it."""
    known = parts.components["store"]
    elsewhere = f"--grpc-address={LOCALHOST}:0"
    command = [elsewhere if "--grpc-address" in each else each for each in known.command]
    parts.run(replace(known, command=tuple(command)))
    until(lambda: healthy(known), "the store is ready", 90)


def _ask(parts: Parts, over: threading.Event, turn: int) -> None:
    """Ask the gateway, by the balancer, again and again; each of several at its own time."""
    over.wait(turn * _GIVEN_UP / _ASKING)
    while not over.wait(0.05):
        with suppress(httpx.HTTPError):
            httpx.get(parts.plan.url("GATEWAY_PORT"), timeout=10)


@contextmanager
def _gateway(port: int) -> Iterator[None]:
    """Something that answers in one's place."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOCALHOST, port), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
