"""The whole pipeline, as processes or containers: own ports and run folder, compressed time."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from stack.errors import OpsError
from stack.ops import run_folder
from stack.ops.added import added
from stack.ops.components import Plan
from stack.ops.docker.compose import Compose
from stack.ops.docker.engine import Engine
from stack.ops.drill.levers import Levers
from stack.ops.ports import default_ports, free_ports
from tests.required import skip_containers

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
SPEED = 10
PORTS = tuple(default_ports(ROOT))
SERVICES = ("gateway", "retrieval", "llm", "inbox", *(each.name for each in added(ROOT)))
CALLS = 'traces_span_metrics_calls_total{service_name="gateway",span_kind="SPAN_KIND_SERVER"}'


def until(
    found: Callable[[], T | bool | None], what: str, deadline: float = 30.0, pause: float = 0.1
) -> T:
    """Poll until `found` returns something true; fail with `what` after `deadline` seconds."""
    last: object = None
    ends = time.monotonic() + deadline
    while time.monotonic() < ends:
        try:
            last = found()
        except (httpx.HTTPError, KeyError, IndexError, ValueError) as error:
            last = error
        else:
            if last:
                return last  # type: ignore[return-value]
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {deadline:g} s; last seen: {last!r}")


class Pipeline:
    """A stack of this checkout in a run folder, and a Compose project, of its own."""

    def __init__(self, run_dir: Path, mode: str = "local", ports: Sequence[str] = PORTS) -> None:
        self.run_dir = run_dir
        self.mode = mode
        self.project = f"stack-test-{uuid.uuid4().hex[:8]}"
        self.ports = free_ports(ports)
        self.env = {**os.environ, **{k: str(v) for k, v in self.ports.items()}}
        del self.env["OTEL_TRACES_EXPORTER"]
        self.env |= {"STACK_RUN_DIR": str(run_dir), "STACK_BIN_DIR": str(shared_binaries())}
        # The same store whether or not Jaeger has been built; tests that want it say so.
        self.env |= {"STACK_JAEGER": "embedded", "COMPOSE_PROJECT_NAME": self.project}
        self.http = httpx.Client(timeout=10.0)
        # What `status` said right after the start, before any test had its way with it.
        self.at_first: dict[str, dict[str, Any]] = {}

    def stack(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the `stack` command; `up` in this pipeline's mode, whatever else is possible here."""
        if arguments[0] == "up":
            arguments = ("up", "--mode", self.mode, *arguments[1:])
        return subprocess.run(
            [sys.executable, "-m", "stack.ops.cli", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def url(self, port: str, path: str) -> str:
        """Return the address of a path of the component on that port."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def get(self, port: str, path: str, **params: Any) -> Any:
        """Return a JSON answer."""
        answer = self.http.get(self.url(port, path), params=params)
        answer.raise_for_status()
        return answer.json()

    def ask(self, question: str = "What do I do when CircuitBreakerOpen fires?") -> httpx.Response:
        """Ask the gateway."""
        return self.http.post(self.url("GATEWAY_PORT", "/ask"), json={"question": question})

    def ask_added(self) -> None:
        """Ask each added service, which nobody else does: without requests it has no ratios."""
        for each in added(ROOT):
            if each.first_request:
                self.http.get(self.url(each.variable, each.first_request)).raise_for_status()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        answer = self.get("PROMETHEUS_PORT", "/api/v1/query", query=expression)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def everywhere(self, expression: str, **params: Any) -> list[dict[str, Any]]:
        """Ask Thanos, at scale, for what all Prometheus have; a range if `start` is given."""
        path = "/api/v1/query_range" if "start" in params else "/api/v1/query"
        answer = self.get("QUERY_FRONTEND_PORT", path, query=expression, **params)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def exemplar_traces(self, expression: str) -> set[str]:
        """Return the trace ids of the exemplars that Prometheus keeps for a series."""
        now = time.time()
        answer = self.get(
            "PROMETHEUS_PORT",
            "/api/v1/query_exemplars",
            query=expression,
            start=now - 600,
            end=now + 5,
        )
        return {
            exemplar["labels"]["trace_id"]
            for series in answer["data"]
            for exemplar in series["exemplars"]
        }

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return one trace in Jaeger's JSON."""
        found: dict[str, Any] = self.get("JAEGER_QUERY_PORT", f"/api/traces/{trace_id}")["data"][0]
        return found

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return what the inbox has received under that name."""
        stored = self.get("INBOX_PORT", "/api/alerts", alertname=name)["alerts"]
        return [alert for alert in stored if alert["labels"]["alertname"] == name]

    def fault(self, port: str, **fault: Any) -> None:
        """Switch a fault on."""
        answer = self.http.post(self.url(port, "/faults"), json=fault, headers=self._token())
        assert answer.status_code == 201, answer.text

    def end_faults(self, port: str) -> None:
        """Switch all faults off."""
        self.http.delete(self.url(port, "/faults"), headers=self._token()).raise_for_status()

    def silence(self, alert: str = "NeverFires") -> str:
        """Create a silence of an hour in Alertmanager; return its id."""
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "tests",
            "comment": "to be found again",
        }
        answer = self.http.post(self.url("ALERTMANAGER_PORT", "/api/v2/silences"), json=body)
        answer.raise_for_status()
        return str(answer.json()["silenceID"])

    def silences(self) -> set[str]:
        """Return the ids of the silences that Alertmanager holds to."""
        found = self.get("ALERTMANAGER_PORT", "/api/v2/silences")
        return {each["id"] for each in found if each["status"]["state"] == "active"}

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        """Return a service's log lines; every one has to be a JSON object."""
        text = self.stack("logs", service, "-n", "100000").stdout
        return [json.loads(line) for line in text.splitlines()]

    def processes(self) -> list[psutil.Process]:
        """List what runs for this run folder."""
        return [p for p in psutil.process_iter() if _belongs(p, self.run_dir)]

    def status(self) -> dict[str, dict[str, Any]]:
        """Return `stack status --json` by component."""
        rows = json.loads(self.stack("status", "--json").stdout)["components"]
        return {row["name"]: row for row in rows}

    def process(self, component: str) -> psutil.Process:
        """Return a component's first process, to be signalled.

        Skips where no signal can be sent: the engine's kernel is another one, or not ours.
        """
        pid = self.status()[component]["pid"]
        if self.mode == "compose":
            why = _out_of_reach(pid, self.container(component))
            if why:
                pytest.skip(f"{component} cannot be signalled: {why}")
        return psutil.Process(pid)

    def container(self, component: str) -> str:
        """Return the id of a component's container."""
        name = f"{self.project}-{component}-1"
        return compose_here().engine.run("inspect", "--format={{.Id}}", name).strip()

    def monitor(self, what: str, **params: str) -> list[float]:
        """Ask Jaeger as the Monitor tab does; return the values that are numbers."""
        answer = self.get(
            "JAEGER_QUERY_PORT",
            f"/api/metrics/{what}",
            service="gateway",
            spanKind="server",
            groupByOperation="true",
            lookback="600000",
            step="5000",
            ratePer="60000",
            **params,
        )
        points = [point for series in answer["metrics"] for point in series["metricPoints"]]
        values = [point["gaugeValue"]["doubleValue"] for point in points]
        return [float(value) for value in values if value != "NaN"]

    def _token(self) -> dict[str, str]:
        token = (self.run_dir / "secrets" / "faults_token").read_text().strip()
        return {"Authorization": f"Bearer {token}"}


def shared_binaries() -> Path:
    """Keep Prometheus and Alertmanager between runs: fetching them is not what is tested here."""
    return Path(os.environ.get("STACK_BIN_DIR", ROOT / ".run" / "bin"))


def _belongs(process: psutil.Process, run_dir: Path) -> bool:
    try:
        return process.environ().get("STACK_SUPERVISED") == str(run_dir.resolve()) and (
            process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def _out_of_reach(pid: int, container: str) -> str:
    """Say why a container's process cannot be signalled from here; nothing if it can."""
    if os.geteuid() != 0:
        return f"the tests run as user {os.geteuid()}, not as root"
    cgroup = Path(f"/proc/{pid}/cgroup")
    if not cgroup.exists():
        return f"no process {pid} on this machine: the engine has a kernel of its own"
    if container not in cgroup.read_text():
        return f"process {pid} of this machine is not in container {container[:12]}"
    return ""


@pytest.fixture(scope="session", params=["local", "compose"])
def pipeline(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """One running stack for all tests that leave it as they found it, in each mode."""
    if request.param == "compose":
        needs_images()
    running = Pipeline(tmp_path_factory.mktemp("stack"), request.param)
    up = running.stack("up", "--speed", str(SPEED), timeout=600)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        running.at_first = running.status()
        yield running
    finally:
        down = running.stack("down", "--volumes")
        running.http.close()
    assert down.returncode == 0, down.stdout + down.stderr
    if request.param == "compose":
        assert labelled(compose_here().engine, running.project) == []


@pytest.fixture
def levers(pipeline: Pipeline) -> Iterator[Levers]:
    """What a drill of the shared stack pulls at."""
    plan = run_folder.load(pipeline.run_dir)
    assert plan is not None
    with closing(Levers(plan)) as levers:
        yield levers


def compose_here() -> Compose:
    """Return Compose as `make up` would use it."""
    return Compose(Plan(ROOT, ROOT / ".run", default_ports(ROOT), mode="compose"), lambda _: None)


@functools.cache
def _missing_for_containers() -> str:
    try:
        _ = compose_here().chosen
    except OpsError as error:
        return f"containers: {error}"
    return ""


def needs_images() -> None:
    """Leave the test out where there is no engine, or not all images can be had."""
    if _missing_for_containers():
        skip_containers(_missing_for_containers())


def labelled(engine: Engine, project: str) -> list[str]:
    """List the containers, networks and volumes of a Compose project, whatever their state."""
    label = f"--filter=label=com.docker.compose.project={project}"
    return [
        *engine.run("ps", "--all", "--format={{.Names}}", label).split(),
        *engine.run("network", "ls", "--format={{.Name}}", label).split(),
        *engine.run("volume", "ls", "--format={{.Name}}", label).split(),
    ]
