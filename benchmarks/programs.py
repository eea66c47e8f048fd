"""Real programs run for a while, and what they use of the machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from stack.ops.local import answers
from stack.ops.supervisor import wait_until


@contextlib.contextmanager
def running(
    command: Sequence[str], health: str, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """Run a program from when it answers 200 at `health` until the end of the block."""
    with subprocess.Popen(  # noqa: S603 -- our own programs
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(health), 60, pause=0.2)
            if process.poll() is not None or not answers(health):
                raise SystemExit(f"{command[0]} does not start")
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time that a program has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def most_memory(process: psutil.Process) -> int:
    """Return the resident memory, in bytes, that a program had at its most; on Linux alone."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def bytes_on_disk(folder: Path) -> int:
    """Return what the files of a folder take; holes take nothing."""
    return sum(each.stat().st_blocks * 512 for each in folder.rglob("*") if each.is_file())
