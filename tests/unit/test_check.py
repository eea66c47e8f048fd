"""`stack check`: what obeys passes, and what breaks a point fails at exactly that point."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from stack.errors import OpsError
from stack.ops.check import exemplars, faults, jaeger, lines, metrics
from stack.ops.check import visit as visit_module
from stack.ops.check.lines import File, Lines, Stream, Tail
from stack.ops.check.point import Outcome, Verdict
from stack.ops.check.run import POINTS, check
from stack.ops.check.telling import shown
from stack.ops.check.visit import Asked, Visit
from stack.ops.cli import main
from stack.ops.ports import free_port
from tests.unit.check_parts import FAULTS_TOKEN, TOKEN, FakeLog, Obedient, client

NAMES = [point.name for point in POINTS]
ASKED = Asked("http://service", "", "", TOKEN, FAULTS_TOKEN, "http://jaeger")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for is there at once, or never."""
    monkeypatch.setattr(metrics, "_QUIET", 0)
    monkeypatch.setattr(metrics, "_SETTLED", 0.1)
    monkeypatch.setattr(exemplars, "PAUSE", 0)
    monkeypatch.setattr(faults, "_SHORT", 0.05)
    monkeypatch.setattr(faults, "_PATIENCE", 0.2)
    monkeypatch.setattr(jaeger, "ARRIVAL", 0.1)
    monkeypatch.setattr(lines, "_PATIENCE", 0.1)


def verdicts(
    service: Obedient, asked: Asked = ASKED, *, log: bool = True, http: httpx.Client | None = None
) -> dict[str, Verdict]:
    """Check a service; return the verdicts by point."""
    kept = Lines(FakeLog(service)) if log else None
    with closing(Visit(asked, kept, http or client(service))) as visit:
        return {point.name: verdict for point, verdict in check(visit)}


def with_outcome(found: dict[str, Verdict], outcome: Outcome) -> dict[str, str]:
    """Return what was seen at the points with that outcome."""
    return {name: each.seen for name, each in found.items() if each.outcome is outcome}


def test_what_obeys_passes_every_point() -> None:
    """Nothing fails, and nothing is left out."""
    found = verdicts(Obedient())
    assert list(found) == NAMES
    assert with_outcome(found, Outcome.FAILS) == {}
    assert with_outcome(found, Outcome.NOT_CHECKED) == {}


@pytest.mark.parametrize("name", NAMES)
def test_what_breaks_a_point_fails_at_that_point(name: str) -> None:
    """Each point fails in a service that breaks it and nothing else; no other point does."""
    failed = with_outcome(verdicts(Obedient(broken=name)), Outcome.FAILS)
    assert set(failed) == {name}, failed
    assert failed[name]


def test_every_point_says_what_and_how() -> None:
    """Its name is its own; rule and mend are one line, and the rule is a sentence."""
    assert len(set(NAMES)) == len(NAMES)
    for point in POINTS:
        assert "\n" not in point.rule + point.mend
        assert point.rule.endswith(".")
        assert not point.mend.endswith(".")


def test_the_guide_has_every_point() -> None:
    """The table in the docs says what the code checks, in its order."""
    guide = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    rows = [line for line in guide.splitlines() if line.startswith("| `") and "." in line[:15]]
    assert rows == [f"| `{point.name}` | {point.rule} |" for point in POINTS]


def test_without_tokens_jaeger_and_log_their_points_are_not_checked() -> None:
    """What cannot be checked says why, and is no failure; no fault is tried."""
    service = Obedient(broken="metrics.token")
    found = verdicts(service, Asked("http://service"), log=False)
    left = with_outcome(found, Outcome.NOT_CHECKED)
    assert with_outcome(found, Outcome.FAILS) == {}
    assert left["metrics.token"] == "no --token-file"
    assert left["faults.work"] == "no --faults-token-file"
    assert left["traces.parent"] == "no Jaeger is known: --jaeger names one"
    assert left["logs.json"] == "its log is not known: --logs names a file, or - for stdin"
    assert found["faults.refused"].outcome is Outcome.OK
    assert service.faults == []


def test_a_refused_scrape_without_a_token_is_no_failure() -> None:
    """The check says which option it needs."""
    found = verdicts(Obedient(), Asked("http://service"), log=False)
    assert with_outcome(found, Outcome.FAILS) == {}
    assert "--token-file" in found["metrics.series"].seen


def test_faults_of_others_are_left_alone() -> None:
    """Where one is on already, none is tried: the end of the check's own would end it, too."""
    service = Obedient()
    fault = {"kind": "error", "status": 500, "path": "/orders/7", "duration_seconds": 60}
    http = client(service)
    token = {"Authorization": f"Bearer {FAULTS_TOKEN}"}
    http.post("http://service/faults", json=fault, headers=token)
    found = verdicts(service, http=http)
    assert found["faults.work"] == Verdict(
        Outcome.NOT_CHECKED, "a fault is on, which the check would end"
    )
    assert len(service.faults) == 1


@pytest.mark.parametrize("broken", ["", "faults.expire", "faults.work", "faults.invalid"])
def test_no_fault_outlasts_the_check(broken: str) -> None:
    """Whatever comes of it, what was switched on is switched off."""
    service = Obedient(broken)
    verdicts(service)
    left = [each for each in service.faults if each["kind"] == "error"]
    assert left == []


def test_an_own_path_and_body_are_asked_for() -> None:
    """With a body it is a POST; the path may have a query, which is no part of the span."""
    service = Obedient()
    asked = Asked("http://service", "/orders?full=1", "{}", TOKEN, FAULTS_TOKEN, "http://jaeger")
    assert with_outcome(verdicts(service, asked), Outcome.FAILS) == {}
    assert any('"POST"' in line for line in service.lines)


class Busy(Obedient):
    """A service that others ask, too: more between each two of our own requests."""

    others = 0

    def served(self, request: Request) -> Response:
        """Count others' requests beside this one."""
        answer = super().served(request)
        if request.path == "/orders":
            self.others += 1
            for _ in range(self.others):
                self.duration.labels("GET", "/orders", 200).observe(0.01)
        return answer


class Steady(Obedient):
    """A service that others ask as often between any two scrapes."""

    def exposition(self, request: Request) -> Response:
        """Count another's request with each scrape."""
        self.duration.labels("GET", "/orders", 200).observe(0.01)
        return super().exposition(request)


@pytest.mark.parametrize("service", [Busy(), Steady()])
def test_where_others_ask_meanwhile_nothing_is_said_about_counting(service: Obedient) -> None:
    """More than was sent is no failure when it is another number each time, or goes on."""
    asked = Asked("http://service", "/orders", "", TOKEN)
    found = verdicts(service, asked, log=False)["metrics.counted"]
    assert found.outcome is Outcome.NOT_CHECKED
    assert "--path" in found.seen


def test_a_jaeger_that_is_away_is_no_failure_of_the_service() -> None:
    """It is asked once, and the points say that it does not answer."""
    asked = Asked("http://service", "", "", TOKEN, "", f"http://127.0.0.1:{free_port()}")
    service = Obedient()
    http = httpx.Client(mounts={"http://service": httpx.WSGITransport(service)})
    found = verdicts(service, asked, http=http)
    assert found["traces.arrive"].outcome is Outcome.NOT_CHECKED
    assert "does not answer" in found["traces.arrive"].seen


def test_who_never_answers_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is waited for so long, and all of them together; then points are left out."""
    monkeypatch.setattr(visit_module, "PATIENCE", 0.5)
    monkeypatch.setattr(visit_module, "BUDGET", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = Asked(f"http://127.0.0.1:{silent.getsockname()[1]}", token=TOKEN)
        began = time.monotonic()
        with closing(Visit(asked)) as visit:
            found = {point.name: verdict for point, verdict in check(visit)}
    assert time.monotonic() - began < 10
    assert found["health.live"].outcome is Outcome.FAILS
    assert "no answer" in found["health.live"].seen
    assert found["logs.json"].outcome is Outcome.NOT_CHECKED
    assert "of the whole check are over" in found["traces.malformed"].seen


def test_an_answer_without_end_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of events has no last byte."""

    def endless(_: object, start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        while True:
            time.sleep(0.01)
            yield b"data: 1"

    monkeypatch.setattr(visit_module, "PATIENCE", 0.5)
    with (
        served_by(endless) as url,
        closing(Visit(Asked(url))) as visit,
        pytest.raises(httpx.ReadTimeout, match="did not end within"),
    ):
        visit.ask("GET", "/")


def test_a_web_server_that_is_no_jaeger_is_no_failure_of_the_service() -> None:
    """That it has no such page does not mean that the trace did not arrive."""
    service = Obedient()
    asked = Asked("http://service", "", "", TOKEN, "", "http://page")
    mounts = {
        "http://service": httpx.WSGITransport(service),
        "http://page": httpx.WSGITransport(Response("not found", 404)),
    }
    found = verdicts(service, asked, http=httpx.Client(mounts=mounts))
    assert found["traces.arrive"].outcome is Outcome.NOT_CHECKED
    assert "does not answer as Jaeger does" in found["traces.arrive"].seen


def test_nobody_there_is_one_line() -> None:
    """The address is named."""
    url = f"http://127.0.0.1:{free_port()}"
    with (
        closing(Visit(Asked(url))) as visit,
        pytest.raises(OpsError, match=rf"{url} does not answer \(.*\); is it started"),
    ):
        list(check(visit))


def test_what_a_stranger_says_does_a_terminal_no_harm() -> None:
    """Control characters are blanks, and the text ends."""
    assert shown("\x1b[31m red\n") == " [31m red "
    assert len(shown("x" * 1000)) == 301


def test_a_log_file_is_read_from_its_end(tmp_path: Path) -> None:
    """Lines of before, and half of one, are not read; a file that begins anew is read whole."""
    path = tmp_path / "log"
    path.write_text("old\n")
    log = File(path)
    log.begin()
    with path.open("a") as file:
        file.write("new\nhal")
    assert log.read() == ["new"]
    path.write_text("a\n")
    assert log.read() == ["a"]
    path.unlink()
    assert log.read() == []


def test_a_log_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(OpsError, match=r"the log .*none cannot be read"):
        File(tmp_path / "none").begin()


def test_piped_lines_and_the_tail_of_a_log_are_read() -> None:
    """Both give what came after the beginning."""
    stream = Lines(Stream(["{}\n", "\n", '{"a": 1}\n']))
    stream.begin()
    stream.wait_for('"a"')
    assert stream.records() == [{}, {"a": 1}]
    written = ["a", "b"]
    tail = Tail(lambda lines: written[-lines:])
    tail.begin()
    written += ["c", "d"]
    assert tail.read() == ["c", "d"]


class Quiet(WSGIRequestHandler):
    """Writes no line for a request: it would stand among what the command prints."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 -- its own name
        """Say nothing."""


@contextmanager
def served_by(app: Any) -> Iterator[str]:
    """Put an application behind a real server; give its address."""
    server = make_server("127.0.0.1", 0, app, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def served() -> Iterator[str]:
    """An obedient service behind a real server."""
    with served_by(Obedient()) as url:
        yield url


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Where its token is."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


def run(*arguments: str, run_dir: Path) -> Result:
    """Run the command where no stack runs."""
    return CliRunner().invoke(main, ["--run-dir", str(run_dir), "check", *arguments])


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.ops.modes.running_plan", lambda plan: None)


def test_the_command_prints_the_points_and_exits_with_0(
    served: str, token: str, tmp_path: Path
) -> None:
    """A line for each point, and how many are kept."""
    ended = run(served, "--token-file", token, run_dir=tmp_path)
    assert ended.exit_code == 0, ended.output
    assert "ok           metrics.counted        5 × GET /" in ended.output
    assert " 0 fail, " in ended.output.splitlines()[-1]


def test_the_command_prints_json(served: str, token: str, tmp_path: Path) -> None:
    """All points, with what a reader needs to mend them."""
    ended = run(served, "--token-file", token, "--json", run_dir=tmp_path)
    points = json.loads(ended.output)["points"]
    assert [point["point"] for point in points] == NAMES
    assert {"point", "verdict", "seen", "rule", "mend"} == set(points[0])


def test_a_failure_has_its_mend_and_exit_status_1(tmp_path: Path) -> None:
    """The rule and the mend follow the line; nobody there is one line."""
    with served_by(Obedient("health.live")) as url:
        ended = run(f"{url}/", run_dir=tmp_path)
    assert ended.exit_code == 1
    assert "fails        health.live            500 in " in ended.output
    assert "mend  answer 200 on /healthz without looking at anything else" in ended.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["localhost:8000"], "is no address of a service"),
        (["http://[::1"], "is no address of a service"),
        (["http://127.0.0.1:1"], "does not answer"),
        (["http://127.0.0.1:1", "--path", "/\n"], "is no address of a service"),
        (["http://127.0.0.1:1", "--token-file", "/dev/null"], "holds no single line"),
        (["http://127.0.0.1:1", "--token-file", "none"], "none cannot be read"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    """It says what is wrong, and the exit status is 1."""
    ended = run(*arguments, run_dir=tmp_path)
    assert ended.exit_code == 1
    assert said in ended.output
    assert len(ended.output.strip().splitlines()) == 1
