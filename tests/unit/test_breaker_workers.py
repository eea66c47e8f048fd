"""Breakers of one name in several workers, forks and signal handlers."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from stack.breaker import (
    CircuitBreaker,
    CircuitState,
    get_circuit_breaker,
    registry,
    share_state,
    shared,
)
from stack.breaker.events import BreakerCreated, Event, StateChanged
from stack.errors import CircuitBreakerOpenError
from tests.unit.breaker_parts import Clock, DownError, fail


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Worker:
    """A breaker as another worker has it: the same name, another machine."""

    def __init__(self, table: shared.Table, clock: Clock) -> None:
        self.breaker = CircuitBreaker(
            "shared", clock=clock, failure_threshold=2, timeout_seconds=10.0, success_threshold=2
        )
        link = table.link("shared")
        assert link is not None
        self.breaker._machine.share(link)

    def fail(self) -> None:
        with pytest.raises(DownError):
            self.breaker.call(fail)

    def succeed(self) -> None:
        self.breaker.call(lambda: None)

    def refuses(self) -> bool:
        try:
            self.succeed()
        except CircuitBreakerOpenError:
            return True
        return False


def test_workers_share_one_state(clock: Clock, tmp_path: Path) -> None:
    """One opens it for all, one at a time probes, its result is everybody's."""
    table = shared.Table(tmp_path / "breakers")
    one, two = Worker(table, clock), Worker(table, clock)
    one.fail()
    two.fail()
    assert not one.refuses()
    one.fail()
    one.fail()
    assert two.refuses()
    clock.now += 10
    two.succeed()
    assert one.refuses(), "while the other one probes"
    two.succeed()
    assert not one.refuses()
    assert one.breaker.state == CircuitState.CLOSED.value


def test_a_worker_that_dies_probing_is_replaced(clock: Clock, tmp_path: Path) -> None:
    """After a minute without its result another one probes."""
    table = shared.Table(tmp_path / "breakers")
    dead, living = Worker(table, clock), Worker(table, clock)
    dead.fail()
    dead.fail()
    clock.now += 10
    dead.breaker._admit()
    assert living.refuses()
    clock.now += 60
    living.succeed()
    living.succeed()
    assert living.breaker.state == CircuitState.CLOSED.value


def test_only_the_first_of_two_transitions_counts(clock: Clock, tmp_path: Path) -> None:
    """Two workers that decide at the same moment end in one state, told of once."""
    table = shared.Table(tmp_path / "breakers")
    one, two = Worker(table, clock), Worker(table, clock)
    told: list[Event] = []
    for worker in (one, two):
        worker.breaker.subscribe(told.append)
        worker.fail()
    # Both have a call under way that began while the breaker was closed.
    permits = [(w, w.breaker._admit()) for w in (one, two)]
    for worker, permit in permits:
        worker.breaker._failed(permit, clock.now, DownError())
    changes = [e for e in told if isinstance(e, StateChanged)]
    assert [c.followed for c in changes] == [False, True]
    assert {c.to_state for c in changes} == {"open"}


def test_a_broken_table_leaves_each_worker_on_its_own(clock: Clock, tmp_path: Path) -> None:
    """The breaker goes on, alone."""
    table = shared.Table(tmp_path / "breakers")
    worker = Worker(table, clock)
    os.close(table._file)
    worker.fail()
    worker.fail()
    assert worker.refuses()
    clock.now += 10
    worker.succeed()
    table._file = os.open("/dev/null", os.O_RDONLY)


def test_a_full_table_leaves_further_breakers_alone(tmp_path: Path) -> None:
    """There are as many places as the docs say."""
    table = shared.Table(tmp_path / "breakers")
    assert all(table.link(f"b{number}") for number in range(shared.SLOTS))
    assert table.link("b0") is not None
    assert table.link("one too many") is None


def test_forked_workers_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child opens is open in its parent."""
    monkeypatch.setattr(shared, "table", None)
    breaker = CircuitBreaker("forked and shared", failure_threshold=1)
    share_state(tmp_path / "breakers")
    pid = os.fork()
    if pid == 0:
        try:
            breaker.call(fail)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: None)


def test_a_fork_in_the_middle_of_a_call_does_not_block_the_child() -> None:
    """The child's lock is its own."""
    breaker = CircuitBreaker("forked", failure_threshold=1)
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with breaker._lock:
            holding.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    pid = os.fork()
    if pid == 0:
        signal.alarm(5)
        breaker.stats()
        os._exit(0)
    done.set()
    thread.join()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def behind(table: shared.Table, clock: Clock) -> tuple[Worker, Worker]:
    """Return two workers, of which only the first knows that the breaker is open."""
    one, two = Worker(table, clock), Worker(table, clock)
    one.fail()
    one.fail()
    return one, two


@pytest.mark.parametrize(
    ("action", "state"),
    [("reset", "closed"), ("force_closed", "closed"), ("force_open", "open")],
)
def test_a_forced_state_wins_over_what_was_not_seen(
    clock: Clock, tmp_path: Path, action: str, state: str
) -> None:
    """Whatever another worker did first, all end in the state that was asked for."""
    one, two = behind(shared.Table(tmp_path / "breakers"), clock)
    getattr(two.breaker, action)()
    clock.now += 1e6 if action == "force_open" else 0
    assert two.breaker.refresh_state() == one.breaker.refresh_state() == state


def test_a_forced_state_wins_a_race(clock: Clock, tmp_path: Path) -> None:
    """Another worker that moves in between makes it try again."""
    one, two = behind(shared.Table(tmp_path / "breakers"), clock)
    link: Any = two.breaker._machine.link

    class Late:
        """A place whose other workers are always a little quicker, twice."""

        left = 2
        generation, read = link.generation, link.read

        def move(self, seen: int, state: int, until: float) -> int | None:
            if self.left:
                self.left -= 1
                one.breaker.force_open()
            moved: int | None = link.move(seen, state, until)
            return moved

    two.breaker._machine.link = Late()
    two.breaker.force_closed()
    assert one.breaker.state is two.breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    "look", [lambda b: b.state, lambda b: b.stats().state], ids=["state", "stats"]
)
def test_looking_shows_what_other_workers_did(
    clock: Clock, tmp_path: Path, look: Callable[[CircuitBreaker], str]
) -> None:
    """Without a call, and listeners are told as they are of any transition that is followed."""
    _, two = behind(shared.Table(tmp_path / "breakers"), clock)
    told: list[Event] = []
    two.breaker.subscribe(told.append)
    assert look(two.breaker) == "open"
    assert [e.followed for e in told if isinstance(e, StateChanged)] == [True]


def test_a_new_breaker_begins_in_the_state_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of as such, not as a transition."""
    monkeypatch.setattr(shared, "table", shared.Table(tmp_path / "breakers"))
    CircuitBreaker("joined late").force_open()
    told: list[Event] = []
    late = CircuitBreaker("joined late", listeners=(told.append,))
    assert late.state is CircuitState.OPEN
    assert told == [BreakerCreated("joined late", "open")]


def test_a_table_without_locks_leaves_a_new_breaker_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the file system has no locks, making one warns and goes on."""
    monkeypatch.setattr(shared, "table", shared.Table(tmp_path / "breakers"))
    monkeypatch.setattr("fcntl.lockf", raise_os_error)
    assert CircuitBreaker("lockless").call(lambda: 1) == 1
    [line] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "'lockless'" in line


def raise_os_error(*_: object) -> None:
    raise OSError("no locks here")


def test_a_signal_handler_may_use_the_breaker_it_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same thread comes in twice; that neither blocks nor loses a count."""
    pending = [True]

    def clock() -> float:
        # Read while the lock is held: there the signal comes.
        if breaker._lock._is_owned() and pending:  # type: ignore[attr-defined]
            pending.clear()
            signal.raise_signal(signal.SIGUSR1)
        return 1.0

    def handle(*_: object) -> None:
        with pytest.raises(DownError):
            breaker.call(fail)

    breaker = CircuitBreaker("interrupted", failure_threshold=1, clock=clock)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        breaker.stats()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert breaker.stats().failures == 1


def locks_held(table: shared.Table) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    return {
        "registry": lambda: registry._lock,
        "members": lambda: shared._registering,
        "table": table.locked,
    }


@pytest.mark.parametrize("held", ["registry", "members", "table"])
def test_no_lock_that_a_thread_held_at_the_fork_blocks_the_child(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child makes, shares and opens breakers."""
    table = shared.Table(tmp_path / "breakers")
    monkeypatch.setattr(shared, "table", table)
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks_held(table)[held]():
            holding.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    pid = os.fork()
    if pid == 0:
        signal.alarm(5)
        # The file's own lock is the parent's: only the thread's is the child's to renew.
        monkeypatch.setattr("fcntl.lockf", lambda *_: None)
        get_circuit_breaker(f"forked while {held}").force_open()
        os._exit(0)
    done.set()
    thread.join()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
