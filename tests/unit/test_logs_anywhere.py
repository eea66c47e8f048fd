"""A line can be written anywhere, about anything: it neither raises, hangs nor is lost."""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import stack
from stack import logs
from stack.logs.output import output
from stack.logs.stdlib import JsonHandler


class Hostile(Exception):  # noqa: N818
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Classless:
    """A value that does not even say what it is."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("no")


class Unreadable(list[int]):
    """A list that cannot be read."""

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    __len__ = __iter__


@pytest.fixture(autouse=True)
def configured() -> None:
    logs.configure("tested", "info")


LOG = stack.get_logger("x")
THIRD = logging.getLogger("third.party")


def third(message: object, *arguments: object) -> None:
    """Write a record with our handler only: pytest's own raises."""
    record = logging.makeLogRecord({"levelno": 30, "msg": message, "args": arguments})
    JsonHandler().handle(record)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda: stack.log_error(Hostile()), id="an error without text"),
        pytest.param(lambda: stack.log_error(Hostile(), exc=1), id="an error given twice"),
        pytest.param(lambda: stack.log_performance("o", None), id="no duration"),  # type: ignore[arg-type]
        pytest.param(lambda: LOG.exception("m", exc=ValueError()), id="an exception given"),
        pytest.param(lambda: LOG.info("m", value=Classless()), id="a value without class"),
        pytest.param(lambda: LOG.info("m", value=Unreadable([1])), id="an unreadable list"),
        pytest.param(lambda: LOG.info(Hostile()), id="a message without text"),
        pytest.param(lambda: third("%s", Hostile()), id="an argument without text"),
        pytest.param(lambda: third(Hostile(), 1), id="text and arguments without text"),
        pytest.param(lambda: THIRD.warning("m", extra={1: 2}), id="a field's name is a number"),  # type: ignore[dict-item]
        pytest.param(lambda: THIRD.warning("m", extra={"\ud800": 2}), id="a name without UTF-8"),
        pytest.param(lambda: LOG.info("m", **{"\ud800": 2}), id="our name without UTF-8"),
    ],
)
def test_whatever_is_logged_its_line_is_written(
    write: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing about a value reaches the caller, and the line says who wrote it and what."""
    write()
    line = json.loads(capsys.readouterr().out)
    assert line["service"] == "tested"
    assert line["message"]
    assert "incomplete" not in line


class Interrupted(StringIO):
    """An output in the middle of whose write a signal handler or a `__del__` writes a line."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__()
        self._interrupts = [interrupt]

    def write(self, text: str) -> int:
        half = len(text) // 2
        super().write(text[:half])
        if self._interrupts:
            self._interrupts.pop()()
        return super().write(text[half:]) + half


def test_a_line_written_inside_of_a_write_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are whole, the interrupted one first."""
    stdout = Interrupted(lambda: LOG.info("inner"))
    monkeypatch.setattr(sys, "stdout", stdout)
    LOG.info("outer")
    written = [json.loads(line)["message"] for line in stdout.getvalue().splitlines()]
    assert written == ["outer", "inner"]


def test_a_line_that_interrupts_anothers_write_goes_with_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Standard output refuses to be written to inside of a write, such as a print's."""

    class Refusing(StringIO):
        busy = True

        def write(self, text: str) -> int:
            if self.busy:
                raise RuntimeError("reentrant call")
            return super().write(text)

    stdout = Refusing()
    monkeypatch.setattr(sys, "stdout", stdout)
    LOG.info("interrupting")
    stdout.busy = False
    LOG.info("next")
    written = [json.loads(line)["message"] for line in stdout.getvalue().splitlines()]
    assert written == ["interrupting", "next"]


def test_a_signal_handler_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often it interrupts lines, all of them are written once."""
    wanted = 200
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        LOG.info("handler")
        if handled < wanted:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)

    before = signal.signal(signal.SIGALRM, handle)
    path, outer = tmp_path / "log", 0
    try:
        with path.open("w") as file:
            monkeypatch.setattr(sys, "stdout", file)
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            while handled < wanted:
                LOG.info("outer")
                outer += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    written = [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert (written.count("handler"), written.count("outer")) == (wanted, outer)


class Slow(StringIO):
    """An output whose write takes until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.begun.set()
        self.go_on.wait(20)
        return super().write(text)


def test_a_fork_waits_for_the_line_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child never finds standard output locked by a thread that it does not have."""
    stdout = Slow()
    monkeypatch.setattr(sys, "stdout", stdout)
    writer = threading.Thread(target=LOG.info, args=("m",))
    writer.start()
    stdout.begun.wait(10)
    threading.Timer(0.1, stdout.go_on.set).start()
    child = os.fork()
    if not child:
        # In the child: what was under way is written, and its own line can be.
        whole = stdout.getvalue().count("\n") == 1
        LOG.info("child")
        os._exit(0 if whole and stdout.getvalue().count("\n") == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    LOG.info("parent")
    writer.join()
    assert stdout.getvalue().count("\n") == 2


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that reads nothing delays a fork, and the lines written meanwhile are kept."""
    stdout = Slow()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr("stack.logs.output._FORK_PATIENCE", 0.05)
    writer = threading.Thread(target=LOG.info, args=("m",))
    writer.start()
    stdout.begun.wait(10)
    output.before_fork()
    LOG.info("meanwhile")
    output.after_fork_in_parent()
    stdout.go_on.set()
    writer.join()
    assert stdout.getvalue().count("\n") == 2


def test_children_forked_while_threads_write_can_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a real file, whose buffer has a lock of its own."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            LOG.info("m")

    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                child = os.fork()
                if not child:
                    signal.alarm(10)
                    LOG.info("child")
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
