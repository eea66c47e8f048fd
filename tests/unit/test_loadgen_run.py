"""The load generator keeps its rate, tells what came of it, and ends when told to."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from services.loadgen.questions import BAD_BODIES, QUESTIONS, Ask, next_ask, outcome
from services.loadgen.settings import Settings
from stack.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
NO_PORT = "http://127.0.0.1:1"


class Gateway(BaseHTTPRequestHandler):
    """Answers as the gateway does, just well enough."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(400 if body in BAD_BODIES else 200)
        answer = b'{"answer": "a", "sources": [], "degraded": true}'
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def gateway_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def start(**environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.loadgen"],
        cwd=ROOT,
        env={**os.environ, "METRICS_PORT": "0", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def metrics_url(process: subprocess.Popen[str]) -> str:
    """Read the port from the line that says that the load began."""
    assert process.stdout is not None
    for line in process.stdout:
        record = json.loads(line)
        if record["event_type"] == "load_started":
            return f"http://127.0.0.1:{record['metrics_port']}"
    raise AssertionError(process.communicate())


def count(url: str, outcome: str) -> float:
    text = httpx.get(f"{url}/metrics").text
    found = re.search(rf'^loadgen_requests_total{{outcome="{outcome}"}} (\S+)$', text, re.M)
    return float(found[1]) if found else 0.0


def test_load_runs_and_ends_on_sigterm(gateway_url: str) -> None:
    """Requests are counted while it runs, and SIGTERM ends it with status 0."""
    with start(GATEWAY_URL=gateway_url, RATE="40") as process:
        url = metrics_url(process)
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert httpx.get(f"{url}/else").status_code == 404
        ends = time.monotonic() + 15
        while count(url, "degraded") < 20 and time.monotonic() < ends:
            time.sleep(0.05)
        assert count(url, "degraded") >= 20
        assert count(url, "failed") == 0
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=15)
        assert (process.returncode, errors) == (0, "")


def test_a_gateway_that_is_down_is_outlived() -> None:
    """Failed requests are counted and go on until the duration is over; then the status is 0."""
    with start(GATEWAY_URL=NO_PORT, RATE="20", DURATION="2.5") as process:
        url = metrics_url(process)
        ends = time.monotonic() + 2
        while count(url, "failed") < 5 and time.monotonic() < ends:
            time.sleep(0.05)
        assert count(url, "failed") >= 5
        output, errors = process.communicate(timeout=15)
        assert (process.returncode, errors) == (0, "")
        ended = next(r for r in map(json.loads, output.splitlines()) if "requests" in r)
        assert ended["failures"] == ended["requests"]
        assert 20 <= ended["requests"] <= 20 * 2.5 + 20


def test_a_bad_setting_is_one_clear_line() -> None:
    """It exits with 2 and a line that names the variable, its value and what is allowed."""
    with start(RATE="1000") as process:
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 2
    assert errors == "loadgen: RATE='1000' is not valid: must be a number from 0 to 200\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE", "-1"),
        ("RATE", "201"),
        ("RATE", "quick"),
        ("RATE", "nan"),
        ("DURATION", "-1"),
        ("METRICS_PORT", "65536"),
        ("METRICS_PORT", "-1"),
        ("GATEWAY_URL", "gateway:8000"),
    ],
)
def test_settings_are_checked(name: str, value: str) -> None:
    """The error names the variable, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=rf"^{name}='{value}' .* must be "):
        Settings.from_env({name: value})


@pytest.mark.parametrize("rate", [0.1, 1, 1.5, 40, 200])
def test_users_share_the_rate(rate: float) -> None:
    """All users together ask at the rate, and they are never more than a hundred."""
    settings = Settings(rate=rate)
    assert 1 <= settings.users <= 100
    assert settings.users * settings.rate_per_user == pytest.approx(rate)


def test_a_small_share_of_requests_is_bad() -> None:
    """Below the share a bad body is sent, above it a question."""
    bad = next_ask(lambda: 0.0, lambda choices: choices[0], json.dumps)
    good = next_ask(lambda: 0.5, lambda choices: choices[0], json.dumps)
    assert bad == Ask(BAD_BODIES[0], is_bad=True)
    assert json.loads(good.body) == {"question": QUESTIONS[0]}


@pytest.mark.parametrize(
    ("is_bad", "status", "degraded", "expected"),
    [
        (False, 200, False, "answered"),
        (False, 200, True, "degraded"),
        (False, 503, False, "failed"),
        (False, 0, False, "failed"),
        (True, 400, False, "refused"),
        (True, 200, False, "failed"),
        (True, 500, False, "failed"),
    ],
)
def test_every_request_has_an_outcome(
    is_bad: bool, status: int, degraded: bool, expected: str
) -> None:
    """A bad request that is refused is as good as a question that is answered."""
    assert outcome(Ask("", is_bad), status, degraded) == expected
