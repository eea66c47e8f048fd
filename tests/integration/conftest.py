"""The whole pipeline, as processes or containers: own ports and run folder, compressed time."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.docker.compose import Compose
from stack.ops.ports import DEFAULTS

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
SPEED = 10
PORTS = (
    "GATEWAY_PORT",
    "RETRIEVAL_PORT",
    "LLM_PORT",
    "INBOX_PORT",
    "LOADGEN_METRICS_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "JAEGER_QUERY_PORT",
    "OTLP_HTTP_PORT",
    "JAEGER_METRICS_PORT",
    "JAEGER_HEALTH_PORT",
    "OTLP_GRPC_PORT",
    "SPAN_METRICS_PORT",
    "GRAFANA_PORT",
)
SERVICES = ("gateway", "retrieval", "llm", "inbox")


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

    def __init__(self, run_dir: Path, mode: str = "local") -> None:
        self.run_dir = run_dir
        self.mode = mode
        self.project = f"stack-test-{uuid.uuid4().hex[:8]}"
        self.ports = free_ports()
        self.env = {**os.environ, **{k: str(v) for k, v in self.ports.items()}}
        del self.env["OTEL_TRACES_EXPORTER"]
        self.env |= {"STACK_RUN_DIR": str(run_dir), "STACK_BIN_DIR": str(shared_binaries())}
        # The same store whether or not Jaeger has been built; tests that want it say so.
        self.env |= {"STACK_JAEGER": "embedded", "COMPOSE_PROJECT_NAME": self.project}
        self.http = httpx.Client(timeout=10.0)

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

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        answer = self.get("PROMETHEUS_PORT", "/api/v1/query", query=expression)
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

    def _token(self) -> dict[str, str]:
        token = (self.run_dir / "secrets" / "faults_token").read_text().strip()
        return {"Authorization": f"Bearer {token}"}


def shared_binaries() -> Path:
    """Keep Prometheus and Alertmanager between runs: fetching them is not what is tested here."""
    return Path(os.environ.get("STACK_BIN_DIR", ROOT / ".run" / "bin"))


def free_port() -> int:
    """Return a port that nothing listens on."""
    return next(iter(free_ports().values()))


def free_ports() -> dict[str, int]:
    """Return a free port for each variable."""
    sockets = [socket.socket() for _ in PORTS]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = {name: each.getsockname()[1] for name, each in zip(PORTS, sockets, strict=True)}
    for each in sockets:
        each.close()
    return ports


def _belongs(process: psutil.Process, run_dir: Path) -> bool:
    try:
        return process.environ().get("STACK_SUPERVISED") == str(run_dir.resolve()) and (
            process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


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
        yield running
    finally:
        down = running.stack("down", "--volumes")
        running.http.close()
    assert down.returncode == 0, down.stdout + down.stderr


def compose_here() -> Compose:
    """Return Compose as `make up` would use it."""
    return Compose(Plan(ROOT, ROOT / ".run", DEFAULTS, mode="compose"), lambda _: None)


@functools.cache
def _missing_for_containers() -> str:
    try:
        _ = compose_here().chosen
    except OpsError as error:
        return f"containers: {error}"
    return ""


def needs_images() -> None:
    """Skip where there is no engine, or not all images can be had."""
    if _missing_for_containers():
        pytest.skip(_missing_for_containers())
