"""The shared folder: two files for each process, one for the dead, and whose folder it is."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.samples import Exemplar

from stack.metrics.multiprocess.exemplars import SLOT_BYTES, unpack
from stack.metrics.multiprocess.memory import UNIT
from stack.metrics.multiprocess.processes import alive, name_of_this, pid_of
from stack.metrics.multiprocess.series import Series, parse, parse_series

PREFIX = "stack-metrics-"
_RETIRED = "retired.json"
_ATTEMPTS = 5


@dataclass(slots=True)
class Reading:
    """One number of one process: its value, when it was set if it is a gauge, its exemplar."""

    value: float
    set_at: float = 0.0
    exemplar: Exemplar | None = None


@dataclass(slots=True)
class Process:
    """All numbers of one process; `name` is empty for the dead ones together."""

    name: str
    readings: dict[Series, Reading] = field(default_factory=dict)


def make() -> Path:
    """Make this process's folder, and remove those whose processes are gone.

    Raises:
        OSError: the temporary folder cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    for leftover in parent.glob(f"{PREFIX}*"):
        if not alive(owner(leftover)) and leftover.lstat().st_uid == os.getuid():
            shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name_of_this()}-", dir=parent))


def owner(directory: Path) -> str:
    """Name the process that made the folder."""
    return directory.name.removeprefix(PREFIX).rpartition("-")[0]


def remove(directory: Path) -> None:
    """Remove the folder, if this process made it."""
    if owner(directory) == name_of_this():
        shutil.rmtree(directory, ignore_errors=True)


def read(directory: Path) -> list[Process]:
    """Read all processes' numbers, the dead ones' included.

    Raises:
        OSError: the folder is gone.
    """
    with _locked(directory, fcntl.LOCK_SH):
        processes = [_read_process(keys) for keys in sorted(directory.glob("*.keys"))]
        return [*processes, _read_retired(directory)]


def retire(directory: Path, pid: int) -> None:
    """Add a dead process's numbers to those of the other dead ones; gauges are left out."""
    with suppress(OSError), _locked(directory, fcntl.LOCK_EX):
        for keys in directory.glob(f"{pid}-*.keys"):
            if alive(keys.stem):
                continue
            dead = _read_process(keys)
            _write_retired(directory, fold(_read_retired(directory), dead))
            keys.unlink()
            keys.with_suffix(".values").unlink(missing_ok=True)


def fold(into: Process, other: Process) -> Process:
    """Add the counters and histograms of `other`; the newer exemplar stays."""
    for series, reading in other.readings.items():
        if series.type == "gauge":
            continue
        known = into.readings.get(series)
        if known is None:
            into.readings[series] = Reading(reading.value, exemplar=reading.exemplar)
        else:
            known.value += reading.value
            known.exemplar = newer(known.exemplar, reading.exemplar)
    return into


def newer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    """Return the exemplar with the later timestamp."""
    if one is None or other is None:
        return one or other
    return other if float(other.timestamp or 0) > float(one.timestamp or 0) else one


def worker_names(directory: Path) -> list[str]:
    """Name the processes that have numbers here, the owner included, alive or not yet retired."""
    return [keys.stem for keys in directory.glob("*.keys") if pid_of(keys.stem)]


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases that of a killed process."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _read_process(keys: Path) -> Process:
    """Read one process's two files, again if series went away while they were read."""
    process = Process(keys.stem)
    with suppress(OSError):
        for _ in range(_ATTEMPTS):
            lines = keys.read_bytes()
            values = keys.with_suffix(".values").read_bytes()
            process.readings = _interpret(lines, values)
            if b" -\n" not in keys.read_bytes()[len(lines) :]:
                break
    return process


def _interpret(lines: bytes, values: bytes) -> dict[Series, Reading]:
    series: dict[int, Series] = {}
    slots: dict[int, int] = {}
    for text in lines.splitlines():
        line = parse(text)
        if line is None:
            continue
        if line.series is not None:
            series[line.cell] = line.series
            slots.pop(line.cell, None)
        elif line.slot is not None:
            slots[line.cell] = line.slot
        else:
            series.pop(line.cell, None)
    cells = memoryview(values[: len(values) // UNIT * UNIT]).cast("d")
    readings: dict[Series, Reading] = {}
    for cell, known in series.items():
        if cell + 1 >= len(cells):
            continue
        reading = Reading(cells[cell])
        if known.type == "gauge":
            reading.set_at = cells[cell + 1]
        elif cell in slots:
            start = slots[cell] * UNIT
            reading.exemplar = unpack(values[start : start + SLOT_BYTES])
        readings[known] = reading
    return readings


def _read_retired(directory: Path) -> Process:
    process = Process("")
    with suppress(OSError, ValueError):
        for text, value, exemplar in json.loads((directory / _RETIRED).read_bytes()):
            series = parse_series(text)
            if series is not None:
                kept = Exemplar(*exemplar) if exemplar else None
                process.readings[series] = Reading(value, exemplar=kept)
    return process


def _write_retired(directory: Path, process: Process) -> None:
    rows = [
        (series.text, reading.value, _plain(reading.exemplar))
        for series, reading in process.readings.items()
    ]
    draft = directory / f"{_RETIRED}.new"
    draft.write_text(json.dumps(rows), encoding="utf-8")
    draft.replace(directory / _RETIRED)


def _plain(exemplar: Exemplar | None) -> list[object] | None:
    if exemplar is None:
        return None
    return [exemplar.labels, exemplar.value, float(exemplar.timestamp or 0)]
