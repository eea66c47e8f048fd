"""`stack check` on the running stack's services, which obey, and on one that knows nothing."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from flask import Flask
from werkzeug.serving import make_server

from stack.ops.ports import free_port
from tests.integration.conftest import ROOT, SERVICES, until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)

SECONDS = 20


@pytest.mark.parametrize("service", SERVICES)
def test_the_reference_services_obey_every_point(pipeline: "Pipeline", service: str) -> None:
    """All points are checked and kept: tokens, traces and log are known to the command."""
    began = time.monotonic()
    ended = pipeline.stack("check", pipeline.url(f"{service.upper()}_PORT", ""), "--json")
    points = json.loads(ended.stdout)["points"]
    bad = [point for point in points if point["verdict"] != "ok"]
    assert bad == []
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert time.monotonic() - began < SECONDS
    assert pipeline.ask().json()["degraded"] is False


def test_its_own_work_can_be_chosen(pipeline: "Pipeline") -> None:
    """A question is asked, whose spans go through three services."""
    url = pipeline.url("GATEWAY_PORT", "")
    question = '{"question": "What is a span?"}'
    ended = pipeline.stack("check", url, "--path", "/ask", "--data", question)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "ok           traces.name            'POST /ask', server" in ended.stdout


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, Path]:
    """The files that hold the tokens of a service that is not the stack's."""
    files = {name: tmp_path / name for name in ("METRICS_TOKEN", "FAULTS_TOKEN")}
    for name, file in files.items():
        file.write_text(f"{name}-1\n")
    return files


@pytest.mark.parametrize("pipeline", ["local"], indirect=True)
def test_a_service_in_another_language_obeys_every_point(
    pipeline: "Pipeline", tokens: dict[str, Path], tmp_path: Path
) -> None:
    """The example in JavaScript, told of by options alone."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    port, log = free_port(), tmp_path / "log"
    env = {name: file.read_text().strip() for name, file in tokens.items()}
    env |= {"PORT": str(port), "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url("OTLP_HTTP_PORT", "")}
    with log.open("w") as output:
        node = subprocess.Popen(
            ["node", "examples/javascript/orders.mjs"],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "it is ready")
        options = ["--path", "/orders", "--logs", str(log), "--json"]
        options += ["--token-file", str(tokens["METRICS_TOKEN"])]
        options += ["--faults-token-file", str(tokens["FAULTS_TOKEN"])]
        ended = pipeline.stack("check", url, *options)
    finally:
        node.terminate()
        node.wait(10)
    bad = [point for point in json.loads(ended.stdout)["points"] if point["verdict"] != "ok"]
    assert bad == []
    assert ended.returncode == 0


@pytest.fixture
def bare() -> Iterator[str]:
    """A Flask application without any of it."""
    app = Flask(__name__)
    app.get("/orders")(lambda: {"orders": []})
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("pipeline", ["local"], indirect=True)
def test_a_bare_application_is_told_what_to_do(pipeline: "Pipeline", bare: str) -> None:
    """Each failure has its mend; what hangs on another point is not checked, and says so."""
    began = time.monotonic()
    ended = pipeline.stack("check", bare, "--path", "/orders")
    assert time.monotonic() - began < SECONDS
    assert ended.returncode == 1
    assert ended.stderr == ""
    failed = [line.split()[1] for line in ended.stdout.splitlines() if line.startswith("fails")]
    assert failed == ["health.live", "health.ready", "metrics.served", "traces.arrive"]
    assert ended.stdout.count("  mend  ") == len(failed)
    assert "let a Prometheus client library write /metrics" in ended.stdout
    assert "not checked  traces.parent          the trace has not arrived" in ended.stdout


def test_lines_are_piped_in(bare: str, tmp_path: Path) -> None:
    """`--logs -` reads them until the check ends, though they do not."""
    reading, writing = os.pipe()
    os.write(writing, b"not JSON\n")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "stack.ops.cli", "check", bare, "--logs", "-"],
            cwd=ROOT,
            env={**os.environ, "STACK_RUN_DIR": str(tmp_path)},
            stdin=reading,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == ""
    assert "fails        logs.json              1 of 1: not JSON" in ended.stdout
