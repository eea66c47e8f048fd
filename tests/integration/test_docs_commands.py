"""Every command in the README and the docs runs as printed, on the running stack."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import httpx
import pytest

from stack.ops.ports import free_port, localhost_addresses
from stack.ops.run_folder import load
from tests.integration.conftest import ROOT, until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(120)

# Not run here: they are what runs this test, end the stack, or have a test of their own.
ELSEWHERE = (
    *("make up", "make test", "make down", "make clean", "make images", "make jaeger"),
    *("make new-service", "make remove-service", "make doctor", ".venv/bin/stack doctor"),
    *("make fire-drill", "make chaos SCENARIO=ALL", "make slo", "make runbooks", "make pictures"),
    *(".venv/bin/python -m tests.", ".venv/bin/python -m benchmarks.dashboard_page"),
    *(".venv/bin/python -m benchmarks.sizing", ".venv/bin/python -m benchmarks.series"),
    ".venv/bin/python -m benchmarks.instance",
    *(".venv/bin/python -m http.server", "make bench", "make docs", "make lock"),
    *("make thanos", "make cassandra", "make scaled", "make kubernetes"),
    *("docker compose ", "gunicorn "),
)
PROGRAMS = ("make ", "curl ", ".venv/bin/")


def commands() -> Iterator[str]:
    """Yield each shell block of the documents, and each command within a line."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        # A block in a list is indented.
        found = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
        blocks = [dedent(each) for each in found]
        rest = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
        inline = [each for each in re.findall(r"`([^`\n]+)`", rest) if each.startswith(PROGRAMS)]
        for command in [*blocks, *inline]:
            if not command.startswith(ELSEWHERE):
                yield command.strip()


# Many pages have the same first check; it is run once.
COMMANDS = sorted(set(commands()))


@pytest.fixture
def shell(pipeline: "Pipeline", tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give an environment in which curl fails on an error status; end faults and silences."""
    (tmp_path / ".curlrc").write_text("fail\n")
    before = pipeline.silences()
    yield {**pipeline.env, "CURL_HOME": str(tmp_path)}
    for port in ("GATEWAY_PORT", "LLM_PORT"):
        pipeline.end_faults(port)
    for each in pipeline.silences() - before:
        url = pipeline.url("ALERTMANAGER_PORT", f"/api/v2/silence/{each}")
        pipeline.http.delete(url).raise_for_status()


def here(command: str, pipeline: "Pipeline") -> str:
    """Put in this stack's ports and run folder, and do not wait for minutes."""
    plan = load(pipeline.run_dir)
    assert plan is not None
    for place, actual in localhost_addresses(plan.ports).items():
        command = re.sub(rf"(?<![\w.-]){re.escape(place)}(?!\d)", actual, command)
    command = command.replace(".run/", f"{pipeline.run_dir}/")
    return re.sub(r"\b(sleep |DURATION=)\d+", r"\g<1>2", command)


def test_there_are_commands() -> None:
    """The search for them finds blocks and inline ones."""
    assert any("\n" in command for command in COMMANDS)
    assert any(command.startswith("make status") for command in COMMANDS)
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("pipeline", ["local"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs_as_printed(pipeline: "Pipeline", shell: dict[str, str], command: str) -> None:
    """It exits with 0; curl's requests are answered without an error."""
    run(command, pipeline, shell)


@pytest.mark.parametrize("pipeline", ["compose"], indirect=True)
@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith("curl ")])
def test_it_runs_in_containers_too(
    pipeline: "Pipeline", shell: dict[str, str], command: str
) -> None:
    """What goes by more than an address, which is the same in both modes."""
    run(command, pipeline, shell)


def run(command: str, pipeline: "Pipeline", shell: dict[str, str]) -> None:
    until(lambda: pipeline.ask().status_code == 200, "the stack is healthy", deadline=60)
    ended = subprocess.run(
        ["sh", "-euc", here(command, pipeline)],
        cwd=ROOT,
        env=shell,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_readmes_service_runs_with_four_workers(tmp_path: Path) -> None:
    """The two blocks, saved and started as printed, give what the text says they give."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^(gunicorn .*)$", text, re.MULTILINE)
    (tmp_path / "app.py").write_text(program)
    port = free_port()
    server = subprocess.Popen(
        [Path(sys.executable).parent / "gunicorn", *command.split()[1:], "-b", f"127.0.0.1:{port}"],
        cwd=tmp_path,
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "it is ready")
        # Each worker has a breaker of its own, which opens after five failures.
        opened = 'circuit_breaker_state{component="payments",state="open"} 1.0'

        def series() -> str:
            assert httpx.get(f"{url}/orders/1", timeout=20).status_code == 500
            return httpx.get(f"{url}/metrics").text

        until(lambda: opened in series(), "the breaker around payments is open")
        assert 'http_route="/orders/<int:order>"' in series()
    finally:
        server.terminate()
        server.wait(20)
