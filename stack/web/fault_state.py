"""Which faults are on: one file for all workers of a service, or this process's memory."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock

from stack.web.fault import Fault, InvalidFaultError

_lock = Lock()
_file: Path | None = None
_seen_at = 0
_faults: dict[str, Fault] = {}


def share(file: Path) -> None:
    """Keep the faults in a file, before the workers are forked, so that they all see the same."""
    global _file  # noqa: PLW0603
    _file = file


def active() -> list[Fault]:
    """List the faults that are on and have not ended."""
    _refresh()
    now = time.time()
    return [fault for fault in tuple(_faults.values()) if fault.ends_at > now]


def switch_on(fault: Fault) -> None:
    """Switch a fault on; it takes the place of one of the same kind."""
    with _lock:
        _refresh()
        _replace({**_faults, fault.kind: fault})


def end_all() -> None:
    """End every fault."""
    with _lock:
        _replace({})


def _refresh() -> None:
    """Read the file when another worker has changed it."""
    global _faults, _seen_at
    if _file is None:
        return
    # A reader that meets no file, or one that is not ours, keeps what it knows.
    with suppress(OSError, ValueError, TypeError, InvalidFaultError):
        changed_at = _file.stat().st_mtime_ns
        if changed_at != _seen_at:
            stored = json.loads(_file.read_text(encoding="utf-8"))
            _faults, _seen_at = {each["kind"]: Fault(**each) for each in stored}, changed_at


def _replace(faults: dict[str, Fault]) -> None:
    global _faults  # noqa: PLW0603
    _faults = faults
    if _file is not None:
        draft = _file.with_suffix(".new")
        draft.write_text(json.dumps([each.as_json() for each in faults.values()]))
        draft.replace(_file)
