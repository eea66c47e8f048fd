"""A block of 8-byte units in memory, anonymous or in a file that others map."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

UNIT = 8


class Memory:
    """Units seen as floats (`cells`) and as bytes (`raw`). Not thread-safe.

    Args:
        units: how many there are at first, all zero.
        path: a file to keep them in, made anew; memory of this process alone when not given.

    Raises:
        OSError: the file cannot be made, or the file system has no room.
    """

    def __init__(self, units: int, path: Path | None = None) -> None:
        self.units = units
        self._file = -1
        if path is not None:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o600)
        try:
            self._map()
        except OSError:
            self.close()
            raise

    def grow(self, units: int) -> None:
        """Enlarge to `units`; places keep their numbers, `cells` and `raw` are new objects.

        Raises:
            OSError: no room; nothing has changed.
        """
        before, self.units = (self.units, self.raw), units
        try:
            self._map()
        except OSError:
            self.units = before[0]
            raise
        if self._file < 0:
            self.raw[: len(before[1])] = before[1]

    def close(self) -> None:
        """Close the file; what is mapped stays readable and writable in this process."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _map(self) -> None:
        size = self.units * UNIT
        if self._file < 0:
            block = mmap.mmap(-1, size)
        else:
            # A sparse file on a full file system would kill the process at its first write.
            _reserve(self._file, size)
            block = mmap.mmap(self._file, size)
        self.raw = memoryview(block)
        self.cells = self.raw.cast("d")


def _reserve(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
