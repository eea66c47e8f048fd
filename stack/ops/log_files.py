"""Reading the components' log files, to their end or for as long as somebody looks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from stack.errors import OpsError

_PAUSE = 0.2


def read(folder: Path, name: str | None, lines: int, follow: bool) -> Iterator[str]:
    """Yield the last lines of one log, or of all with their names in front.

    Args:
        folder: where the logs are.
        name: the component; None for all.
        lines: how many of each.
        follow: go on with what is written from now on; never ends.

    Raises:
        OpsError: there is no such log.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if name is not None and name not in known:
        available = ", ".join(known) or "none yet; `make up` starts the stack"
        raise OpsError(f"SERVICE={name!r} has no log; there are: {available}")
    shown = known if name is None else {name: known[name]}
    tails = {each: _Tail(path, lines) for each, path in shown.items()}
    while True:
        for each, tail in tails.items():
            prefix = f"{each:<13}" if name is None else ""
            yield from (f"{prefix}{line}" for line in tail.new_lines())
        if not follow:
            return
        time.sleep(_PAUSE)


class _Tail:
    """One log; it may be rotated while it is read."""

    def __init__(self, path: Path, lines: int) -> None:
        self._path = path
        self._lines: int | None = lines
        self._offset = 0
        self._inode = 0
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        try:
            with self._path.open("rb") as file:
                found = self._path.stat()
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._offset, self._inode, self._rest = 0, found.st_ino, b""
                file.seek(self._offset)
                text = self._rest + file.read()
                self._offset = file.tell()
        except FileNotFoundError:
            return
        *complete, self._rest = text.split(b"\n")
        wanted, self._lines = deque(complete, maxlen=self._lines), None
        for line in wanted:
            yield line.decode("utf-8", "replace")
