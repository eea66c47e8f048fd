"""All shared numbers of this process, in memory of its own or in two files of a folder.

Who writes takes one lock of this process; who reads from another process takes none. A file of a
process is only ever written by that process.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from pathlib import Path
from threading import RLock

from stack.metrics.multiprocess.exemplars import SLOT_UNITS
from stack.metrics.multiprocess.memory import UNIT, Memory
from stack.metrics.multiprocess.processes import name_of_this
from stack.metrics.multiprocess.series import encode

FIRST_UNITS = 4096
GAUGE_UNITS = 2

_log = logging.getLogger(__name__)


class Store:
    """Gives out cells, which are places in `cells`, and keeps them across growth and forks.

    In a forked child every cell keeps its place and begins at zero, in files of the child's own:
    what the parent counted stays the parent's.
    """

    def __init__(self) -> None:
        # Reentrant, for a signal handler may count while its thread is counting.
        self.lock = RLock()
        self.directory: Path | None = None
        self._keys = -1
        self._used = 0
        self._free: dict[int, list[int]] = {}
        self._series: dict[int, tuple[bytes, int]] = {}
        self._slots: dict[int, int] = {}
        self._released: deque[int] = deque()
        self._use(Memory(FIRST_UNITS))
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._after_fork_in_parent,
            after_in_child=self._after_fork_in_child,
        )

    def add(self, text: str, *, gauge: bool) -> int:
        """Return the cell of a new series, at zero. A full disk is logged, never raised."""
        failure = None
        with self.lock:
            try:
                self._forget_released()
                return self._new_series(text, gauge)
            except OSError as error:
                failure = error
                self._leave()
                cell = self._new_series(text, gauge)
        self._complain(failure)
        return cell

    def release(self, cell: int) -> None:
        """Say that nobody holds the cell any more; safe at any moment, in any thread."""
        # While the interpreter shuts down values die too, but what they counted must stay.
        if sys.is_finalizing():
            return
        self._released.append(cell)
        if self.lock.acquire(blocking=False):
            try:
                self._forget_released()
            except OSError:
                self._leave()
            finally:
                self.lock.release()

    def write_slot(self, cell: int, content: bytes) -> None:
        """Write the exemplar of a cell; its slot is made at the first one."""
        failure = None
        with self.lock:
            slot = self._slots.get(cell)
            if slot is None:
                try:
                    slot = self._new_slot(cell)
                except OSError as error:
                    failure = error
                    self._leave()
                    slot = self._new_slot(cell)
            start = slot * UNIT
            self._memory.raw[start : start + len(content)] = content
        if failure is not None:
            self._complain(failure)

    def read_slot(self, cell: int) -> bytes | None:
        """Return the exemplar's bytes of a cell, if it has had one."""
        with self.lock:
            slot = self._slots.get(cell)
            if slot is None:
                return None
            return bytes(self._memory.raw[slot * UNIT : (slot + SLOT_UNITS) * UNIT])

    def enter(self, directory: Path) -> None:
        """Go on in two files of that folder, with all that was counted.

        Raises:
            OSError: the files cannot be made; nothing has changed.
        """
        with self.lock:
            self._attach(directory)

    def leave(self) -> None:
        """Go on in memory of this process alone, with all that was counted."""
        with self.lock:
            self._leave()

    def _new_series(self, text: str, gauge: bool) -> int:
        cell = self._allocate(units := GAUGE_UNITS if gauge else 1)
        if gauge:
            self.cells[cell + 1] = 1.0
        line = encode(cell, text)
        self._series[cell] = (line, units)
        self._tell(line)
        return cell

    def _new_slot(self, cell: int) -> int:
        slot = self._allocate(SLOT_UNITS)
        self._slots[cell] = slot
        self._tell(encode(cell, f"@{slot}"))
        return slot

    def _allocate(self, units: int) -> int:
        free = self._free.get(units)
        if free:
            place = free.pop()
        else:
            if self._used + units > self._memory.units:
                self._memory.grow(self._memory.units * 2)
                self.cells = self._memory.cells
            place = self._used
            self._used += units
        start, end = place * UNIT, (place + units) * UNIT
        self._memory.raw[start:end] = bytes(end - start)
        return place

    def _forget_released(self) -> None:
        while self._released:
            cell = self._released.popleft()
            _, units = self._series.pop(cell)
            slot = self._slots.pop(cell, None)
            self._tell(encode(cell, "-"))
            self._free.setdefault(units, []).append(cell)
            if slot is not None:
                self._free.setdefault(SLOT_UNITS, []).append(slot)

    def _tell(self, lines: bytes) -> None:
        if self._keys >= 0:
            written = os.write(self._keys, lines)
            if written != len(lines):
                raise OSError("the file system is full")

    def _attach(self, directory: Path) -> None:
        name = name_of_this()
        memory = Memory(self._memory.units, directory / f"{name}.values")
        memory.raw[:] = self._memory.raw
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        lines = [line for line, _ in self._series.values()]
        lines += [encode(cell, f"@{slot}") for cell, slot in self._slots.items()]
        try:
            self._keys = os.open(directory / f"{name}.keys", flags, 0o600)
            self._tell(b"".join(lines))
        except OSError:
            memory.close()
            self._leave()
            raise
        self._use(memory)
        self.directory = directory

    def _leave(self) -> None:
        if self._keys >= 0:
            os.close(self._keys)
            self._keys = -1
        self.directory = None
        memory = Memory(self._memory.units)
        memory.raw[:] = self._memory.raw
        self._memory.close()
        self._use(memory)

    def _use(self, memory: Memory) -> None:
        self._memory = memory
        self.cells = memory.cells

    def _complain(self, failure: OSError) -> None:
        _log.error(
            "metrics of process %d are no longer shared with /metrics of the other workers: %s; "
            "make room in the temporary folder and restart",
            os.getpid(),
            failure,
        )

    def _before_fork(self) -> None:
        self.lock.acquire()

    def _after_fork_in_parent(self) -> None:
        self.lock.release()

    def _after_fork_in_child(self) -> None:
        self.lock = RLock()
        directory, self.directory = self.directory, None
        if self._keys >= 0:
            os.close(self._keys)
            self._keys = -1
        self._memory.close()
        self._use(Memory(self._memory.units))
        if directory is not None:
            try:
                self._attach(directory)
            except OSError as failure:
                self._complain(failure)
