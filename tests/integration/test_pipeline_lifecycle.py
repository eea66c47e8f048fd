"""`stack up` and `stack down`: twice, nothing left, and clear words when something is missing."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import Pipeline, until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Pipeline]:
    """A stack that the test starts itself; whatever happens, it is stopped."""
    pipeline = Pipeline(tmp_path / "run")
    yield pipeline
    pipeline.stack("down")
    pipeline.http.close()


def test_up_twice_then_down_leaves_nothing_but_data(stopped: Pipeline) -> None:
    """The second `up` changes nothing and says so; after `down` no process and no port is left."""
    first = stopped.stack("up", "--load", "0")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "CircuitBreakerOpen" in first.stdout
    pids = {process.pid for process in stopped.processes()}

    second = stopped.stack("up", "--load", "0", timeout=15)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "already up" in second.stdout
    assert {process.pid for process in stopped.processes()} == pids

    down = stopped.stack("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert stopped.processes() == []
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert (stopped.run_dir / "data" / "inbox.db").is_file()
    again = stopped.stack("down")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing was running")


def test_down_ends_what_a_killed_supervisor_left(stopped: Pipeline) -> None:
    """Its children are found and ended, and `up` works again."""
    assert stopped.stack("up", "--load", "0").returncode == 0
    supervisor = psutil.Process(stopped.status()["supervisor"]["pid"])
    supervisor.kill()
    supervisor.wait(10)
    assert stopped.processes()
    down = stopped.stack("down")
    assert down.returncode == 0, down.stderr
    assert stopped.processes() == []


def test_a_taken_port_is_named_and_nothing_is_started(stopped: Pipeline) -> None:
    """The message names the port, its variable and the mend."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stopped.ports["INBOX_PORT"]))
        taken.listen()
        up = stopped.stack("up")
    assert up.returncode == 1
    assert f"{stopped.ports['INBOX_PORT']} (INBOX_PORT)" in up.stderr
    assert ".env" in up.stderr
    assert stopped.processes() == []


def test_a_component_that_cannot_start_is_named_and_nothing_is_left(
    stopped: Pipeline, tmp_path: Path
) -> None:
    """The message names the component and shows the end of its log."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("prometheus", "promtool", "alertmanager", "amtool"):
        real = Path(stopped.env["STACK_BIN_DIR"]) / name
        (binaries / name).symlink_to(real)
    (binaries / "alertmanager").unlink()
    (binaries / "alertmanager").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "alertmanager, version 0.33.1" && exit 0\n'
        "echo no room on the disk; exit 1\n"
    )
    (binaries / "alertmanager").chmod(0o755)
    stopped.env["STACK_BIN_DIR"] = str(binaries)
    up = stopped.stack("up", "--load", "0")
    assert up.returncode == 1
    assert "alertmanager" in up.stderr
    assert "no room on the disk" in up.stderr
    assert stopped.processes() == []


def test_without_network_and_packages_the_mends_are_named(
    stopped: Pipeline, tmp_path: Path
) -> None:
    """No Prometheus on the machine and no way to get one: what was tried, what helps."""
    stopped.env |= {
        "STACK_BIN_DIR": str(tmp_path / "empty"),
        "PATH": str(Path(sys.executable).parent),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "no_proxy": "",
    }
    up = stopped.stack("up")
    assert up.returncode == 1
    assert "STACK_BIN_DIR" in up.stderr
    assert stopped.processes() == []


def test_status_of_nothing_says_how_to_start_it(stopped: Pipeline) -> None:
    """And exits non-zero, for scripts."""
    status = stopped.stack("status")
    assert (status.returncode, status.stdout.strip()) == (1, "nothing runs; `make up` starts it")


def test_logs_show_a_components_end(pipeline: Pipeline) -> None:
    """`stack logs gateway` prints JSON lines; an unknown name lists those there are."""
    until(lambda: pipeline.stack("logs", "gateway", "-n", "3").stdout.count("\n") == 3, "3 lines")
    unknown = pipeline.stack("logs", "nothing")
    assert unknown.returncode == 1
    assert "gateway" in unknown.stderr


def test_load_is_put_on_the_gateway(pipeline: Pipeline) -> None:
    """`stack load` asks at the given rate for the given time, and ends."""
    query = 'sum(http_server_request_duration_seconds_count{service="gateway",http_route="/ask"})'
    before = until(lambda: float(pipeline.query(query)[0]["value"][1]), "the default load")
    load = pipeline.stack("load", "--rate", "10", "--duration", "3")
    assert load.returncode == 0, load.stderr
    until(lambda: float(pipeline.query(query)[0]["value"][1]) >= before + 15, "15 questions more")
