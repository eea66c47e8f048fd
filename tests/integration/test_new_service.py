"""`make new-service` in a checkout of its own: the service passes its tests, and runs at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.ops.ports import free_port
from tests.integration.conftest import ROOT, SPEED, Pipeline, until

pytestmark = pytest.mark.timeout(300)

NAME = "orders-2"
# What a new service has a part in; no test of these starts a stack.
CONCERNED = (
    *("tests/config/test_compose_agreement.py", "tests/config/test_compose_policy.py"),
    *("tests/rules", "tests/dashboards", "tests/unit/test_orders_2.py"),
    *("tests/unit/test_ops_ports.py", "tests/unit/test_render.py", "tests/unit/test_slo_specs.py"),
)
# About the stack's own rules alone, and takes minutes.
NOT_HERE = " and ".join(
    f"not {name}"
    for name in (
        *("notice_a_mistake", "accepts_every_mutant", "promtools_tests_pass"),
        *("what_promtool_runs", "every_alert_of_every_slo", "every_alert_is_tested"),
    )
)


class Checkout(Pipeline):
    """A copy of this checkout's files as a repository of its own, and its stack."""

    def __init__(self, root: Path, run_dir: Path) -> None:
        super().__init__(run_dir)
        self.root = root
        self.ports["ORDERS_2_PORT"] = free_port()
        self.env |= {"ORDERS_2_PORT": str(self.ports["ORDERS_2_PORT"]), "PYTHONPATH": str(root)}

    def run(self, *command: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def passes(self, *command: str) -> str:
        """Run a command that has to succeed; return what it prints."""
        ended = self.run(*command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def make(self, *arguments: str) -> str:
        """Run make with this interpreter in place of an environment of the copy's own."""
        return self.passes("make", *arguments, f"STACK={sys.executable} -m stack.ops.cli")

    def stack(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the `stack` command of the copy."""
        if arguments[0] == "up":
            arguments = ("up", "--mode", "local", *arguments[1:])
        return self.run(sys.executable, "-m", "stack.ops.cli", *arguments, timeout=timeout)

    def changes(self) -> list[str]:
        """Return what git has to say of it."""
        return self.passes("git", "status", "--porcelain", "--untracked-files=all").splitlines()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout to which the service has been added; whatever happens, its stack is stopped."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"no repository of git: {listed.stderr.strip()}")
    folder = tmp_path_factory.mktemp("checkout")
    root = folder / "copy"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    # make is told that the environment is there.
    (root / ".venv").mkdir()
    (root / ".venv" / ".ops").touch()
    made = Checkout(root, folder / "run")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
    made.passes("git", "init", "--quiet")
    made.passes("git", "add", "--all")
    made.passes("git", *identity, "commit", "--quiet", "--message=copy")
    said = made.make("new-service", f"NAME={NAME}")
    assert "services/orders_2/app.py" in said
    yield made
    made.stack("down")
    made.http.close()


@pytest.fixture(scope="module")
def running(checkout: Checkout) -> Checkout:
    """Its stack, just started."""
    up = checkout.stack("up", "--load", "0", "--speed", str(SPEED))
    assert up.returncode == 0, up.stdout + up.stderr
    assert f"{checkout.url('ORDERS_2_PORT', '/hello')} is answered with 200" in up.stdout
    return checkout


def test_the_tests_pass_at_once(checkout: Checkout) -> None:
    """Style and types of what was written, and every test that a new service has a part in."""
    written = ("services/orders_2", "tests/unit/test_orders_2.py")
    checkout.passes(sys.executable, "-m", "ruff", "check", ".")
    checkout.passes(sys.executable, "-m", "ruff", "format", "--check", ".")
    checkout.passes(sys.executable, "-m", "mypy", *written)
    options = ("-q", "--timeout=240", "-p", "no:cacheprovider", "-k", NOT_HERE)
    said = checkout.passes(sys.executable, "-m", "pytest", *options, *CONCERNED)
    assert " passed" in said


def test_it_is_healthy_and_scraped(running: Checkout) -> None:
    """In `stack status`, as a target of Prometheus, and among the services of the dashboards."""
    assert running.status()[NAME]["healthy"]
    assert running.status()[NAME]["address"] == running.url("ORDERS_2_PORT", "")
    until(
        lambda: [each["value"][1] for each in running.query(f'up{{service="{NAME}"}}')] == ["1"],
        "Prometheus scrapes it",
    )
    until(
        lambda: NAME in running.get("PROMETHEUS_PORT", "/api/v1/label/service/values")["data"],
        "a dashboard can choose it",
    )


def test_a_request_leads_from_its_metric_to_its_trace_and_log(running: Checkout) -> None:
    """What a newcomer copies is seen in all three."""
    answer = httpx.get(running.url("ORDERS_2_PORT", "/hello?name=Ada"))
    assert answer.json() == {"greeting": "Hello, Ada!"}
    until(lambda: running.query("orders_2_greetings_total > 0"), "it is counted")
    traces = until(
        lambda: running.exemplar_traces(
            f'http_server_request_duration_seconds_bucket{{service="{NAME}"}}'
        ),
        "an exemplar of the request",
    )

    def spans() -> list[dict[str, Any]]:
        return [span for each in traces for span in running.trace(each)["spans"]]

    names = {"GET /hello", "choose words"}
    until(lambda: {each["operationName"] for each in spans()} >= names, "its trace arrives")
    logged = {line.get("trace_id") for line in running.log_lines(NAME)}
    assert logged >= traces


def test_its_objective_is_measured(running: Checkout) -> None:
    """From the first request on; no alert says that its series are missing."""
    slo = f'{{service="{NAME}", slo="{NAME}-availability"}}'
    for record in ("slo:sli_total:rate5m", "slo:sli_error:ratio_rate5m"):
        until(partial(running.query, f"{record}{slo} >= 0"), f"{record} is there")
    (objective,) = running.query(f"slo:objective:ratio{slo}")
    assert objective["value"][1] == "0.99"
    assert running.query(f'ALERTS{{service="{NAME}"}}') == []


def test_what_comes_while_the_stack_runs_is_told(running: Checkout) -> None:
    """What runs goes on as it is, and `make up` says how to have the new one, too."""
    running.make("new-service", "NAME=later")
    said = running.stack("up").stdout
    running.make("remove-service", "NAME=later")
    assert "later was added since this was started; `make down up` starts it, too" in said
    assert "already up" in said
    assert "later" not in running.status()


def test_removed_it_leaves_no_trace(checkout: Checkout) -> None:
    """Whatever ran in between: git finds the files as they were."""
    assert "?? services/orders_2/app.py" in checkout.changes()
    assert " M compose.yaml" in checkout.changes()
    assert checkout.stack("down").returncode == 0
    checkout.make("remove-service", f"NAME={NAME}")
    assert checkout.changes() == []
    assert not (checkout.root / "services" / "orders_2").exists()


def test_make_says_what_is_wrong_with_a_name(checkout: Checkout) -> None:
    """In one line, and nothing is written."""
    before = checkout.changes()
    for name in ("", "gateway", "a b"):
        stack = f"STACK={sys.executable} -m stack.ops.cli"
        ended = checkout.run("make", "new-service", f"NAME={name}", stack)
        assert ended.returncode != 0
        assert f"stack: NAME={name!r} is not valid: must be" in ended.stderr
    assert checkout.changes() == before
