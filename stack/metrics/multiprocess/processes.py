"""Which processes exist, told apart even when a pid is used again."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Stat(NamedTuple):
    """What the kernel says of one process; see proc_pid_stat(5). Times in clock ticks."""

    state: str
    parent: int
    user: int
    system: int
    children_user: int
    children_system: int
    start: int
    virtual_bytes: int
    resident_pages: int


def stat(pid: int) -> Stat | None:
    """Read /proc/<pid>/stat; None when there is no such process, or no /proc."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, in brackets, may itself hold spaces and brackets.
    fields = text[text.rindex(")") + 2 :].split()
    numbers = (int(fields[at]) for at in (1, 11, 12, 13, 14, 19, 20, 21))
    return Stat(fields[0], *numbers)


def name_of_this() -> str:
    """Name this process `<pid>-<start>`, unlike any that lives or lived since boot."""
    return _name(os.getpid())


@lru_cache(maxsize=1)
def _name(pid: int) -> str:
    known = stat(pid)
    return f"{pid}-{known.start if known else time.time_ns()}"


def pid_of(name: str) -> int | None:
    """Return the pid in a process's name; None when it is no such name."""
    pid, dash, start = name.partition("-")
    return int(pid) if dash and _digits(pid) and _digits(start) else None


def alive(name: str) -> bool:
    """Tell whether the process of that name runs; one that waits to be reaped does not."""
    pid = pid_of(name)
    if pid is None:
        return False
    known = stat(pid)
    if known is not None:
        return known.state not in "ZX" and name == f"{pid}-{known.start}"
    return not (PROC / "self" / "stat").exists() and _answers(pid)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
