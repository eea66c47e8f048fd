"""One state for the breakers of one name in all workers of a service.

A file of fixed slots is mapped by every worker. Each transition is written under a lock and gets a
new generation; a worker that meets a generation it has not seen follows. So one worker's opening
opens the breaker in all, one worker at a time probes, and its result is everybody's; so are forced
states. Failures, and the counts of `stats`, are each worker's own.

Without the file, or when it fails, each worker's breaker goes on alone; each logs that once.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Protocol

SLOTS = 256
_DIGEST = 16
_CELLS = 5  # two of the name's digest, generation, state, until
_BYTES = 8

_log = logging.getLogger(__name__)

# The process's table, once its breakers share their state.
table: Table | None = None
# This process's breakers and tables, for `share_state` and for the child of a fork.
_members: weakref.WeakSet[Member] = weakref.WeakSet()
_tables: weakref.WeakSet[Table] = weakref.WeakSet()
_registering = RLock()


class Member(Protocol):
    """A breaker as the others of this process see it."""

    def join(self, table: Table | None) -> None:
        """Share the state with the breakers of this name in other workers from now on."""
        ...

    def renew_lock(self) -> None:
        """Drop a lock that another thread may have held at the fork."""
        ...


def add(member: Member) -> None:
    """Let a new breaker join the table that is there or will be."""
    with _registering:
        _members.add(member)
        member.join(table)


def share_state(path: Path) -> None:
    """Let the breakers of one name in this process and its future children share their state.

    Breakers with a clock of their own stay alone. To be called before workers are forked.

    Args:
        path: a file for the state, in a folder that only this service writes to.

    Raises:
        OSError: the file cannot be made; every breaker goes on alone.
    """
    global table  # noqa: PLW0603
    with _registering:
        table = Table(path)
        for member in tuple(_members):
            member.join(table)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a slot says: its generation, the state's number, and until when on the clock."""

    generation: int
    state: int
    until: float


class Link(Protocol):
    """A breaker's place among those of the other workers."""

    def generation(self) -> int:
        """Return the generation now, without a lock."""
        ...

    def read(self) -> Shared:
        """Return what the others say."""
        ...

    def move(self, seen: int, state: int, until: float) -> int | None:
        """Say a transition; None when another worker was first, else the new generation."""
        ...


class Table:
    """The file of slots. Thread-safe; children of a fork go on with it.

    Args:
        path: made if it is not there.

    Raises:
        OSError: it cannot be made or mapped.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = SLOTS * _CELLS * _BYTES
        os.truncate(self._file, size)
        view = memoryview(mmap.mmap(self._file, size))
        self.numbers = view.cast("q")
        self.times = view.cast("d")
        self.renew_lock()
        with _registering:
            _tables.add(self)

    def link(self, name: str) -> Link | None:
        """Return the place of a breaker's name; None when there is none, which is logged."""
        try:
            slot = self._place(name)
        except (OSError, ValueError) as error:
            _log.warning("breaker %r is not shared between workers: %s", name, error)
            return None
        if slot is None:
            _log.warning(
                "breaker %r is not shared between workers: all %d places are taken", name, SLOTS
            )
        return slot

    def _place(self, name: str) -> _Slot | None:
        digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()[:_DIGEST]
        wanted = tuple(memoryview(digest).cast("q"))
        with self.locked():
            for first in range(0, SLOTS * _CELLS, _CELLS):
                known = (self.numbers[first], self.numbers[first + 1])
                if known == (0, 0):
                    self.numbers[first], self.numbers[first + 1] = wanted
                    return _Slot(self, first)
                if known == wanted:
                    return _Slot(self, first)
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads and processes out; the kernel frees the lock of a killed one."""
        # A process's file lock does not keep its own threads apart. A signal's handler may come in
        # while its thread holds it, and gives the file's lock back early: better than a deadlock.
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def renew_lock(self) -> None:
        """Make a lock that no thread holds: at first, and in the child of a fork."""
        self._threads = RLock()


class _Slot:
    """One breaker's place in a table."""

    __slots__ = ("_first", "_table")

    def __init__(self, table: Table, first: int) -> None:
        self._table = table
        self._first = first

    def generation(self) -> int:
        return self._table.numbers[self._first + 2]

    def read(self) -> Shared:
        with self._table.locked():
            return self._read()

    def move(self, seen: int, state: int, until: float) -> int | None:
        table, first = self._table, self._first
        with table.locked():
            if self.generation() != seen:
                return None
            table.numbers[first + 3] = state
            table.times[first + 4] = until
            # Last, so that who meets it finds the rest written.
            table.numbers[first + 2] = seen + 1
            return seen + 1

    def _read(self) -> Shared:
        table, first = self._table, self._first
        return Shared(table.numbers[first + 2], table.numbers[first + 3], table.times[first + 4])


def _renew_after_fork() -> None:
    """Replace locks that other threads may have held at the fork."""
    global _registering  # noqa: PLW0603
    _registering = RLock()
    for member in _members:
        member.renew_lock()
    for each in _tables:
        each.renew_lock()


os.register_at_fork(after_in_child=_renew_after_fork)
