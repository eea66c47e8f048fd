"""The service's log lines, from the beginning of the check on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from stack.errors import OpsError
from stack.ops.check.telling import CannotCheckError

# Seconds in which a line is there after its request; a container's log takes longer than a file.
_PATIENCE = 2.0
_PAUSE = 0.1
_TAIL = 5000


class Log(Protocol):
    """Something that lines come from."""

    def begin(self) -> None:
        """Forget what was written before."""

    def read(self) -> list[str]:
        """Return all that was written since."""


class File:
    """A log file; it may be rotated meanwhile.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def begin(self) -> None:
        """Begin at the end."""
        try:
            self._offset = self._path.stat().st_size
        except OSError as error:
            raise OpsError(f"the log {self._path} cannot be read ({error.strerror})") from error

    def read(self) -> list[str]:
        """Return the whole lines that followed; none while it is being rotated."""
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return text.split("\n")[:-1]


class Stream:
    """Lines that somebody pipes in.

    Args:
        source: gives lines until it ends, perhaps never.
    """

    def __init__(self, source: Iterable[str]) -> None:
        self._source = source
        self._read: list[str] = []

    def begin(self) -> None:
        """Read in the background, for nobody knows when the next line comes."""
        threading.Thread(target=self._follow, daemon=True).start()

    def read(self) -> list[str]:
        """Return what has come."""
        return list(self._read)

    def _follow(self) -> None:
        for line in self._source:
            self._read.append(line.rstrip("\n"))


class Tail:
    """The end of a log that somebody else keeps.

    Args:
        tail: returns its last lines, so many.
    """

    def __init__(self, tail: Callable[[int], Iterable[str]]) -> None:
        self._tail = tail
        self._last: list[str] = []

    def begin(self) -> None:
        """Remember its last line, to know those that follow."""
        self._last = list(self._tail(1))

    def read(self) -> list[str]:
        """Return what followed."""
        found = list(self._tail(_TAIL))
        if self._last and self._last[0] in found:
            newest = len(found) - 1 - found[::-1].index(self._last[0])
            return found[newest + 1 :]
        return found


class Lines:
    """What the service has written while it was visited.

    Args:
        log: where it comes from.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.texts: list[str] = []

    def begin(self) -> None:
        """Forget what was written before."""
        self._log.begin()

    def wait_for(self, *texts: str) -> None:
        """Read until each of the texts was seen, or there was time enough."""
        ends = time.monotonic() + _PATIENCE
        while True:
            self.texts = [line for line in self._log.read() if line.strip()]
            everything = "\n".join(self.texts)
            if all(text in everything for text in texts) or time.monotonic() > ends:
                return
            time.sleep(_PAUSE)

    def records(self) -> list[dict[str, Any]]:
        """Return the lines that are JSON objects.

        Raises:
            CannotCheckError: there are none.
        """
        found = [record for record in map(record_of, self.texts) if record is not None]
        if not found:
            raise CannotCheckError("no new line of the log is a JSON object")
        return found


def record_of(line: str) -> dict[str, Any] | None:
    """Return the object that a line is; None if it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
