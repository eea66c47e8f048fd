"""What runs: its state, health, memory and address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from stack.ops import run_folder
from stack.ops.binaries import Binaries
from stack.ops.components import Component, components
from stack.ops.local import healthy
from stack.ops.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Row:
    """One component as it is now.

    Args:
        name: its name.
        pid: its first process; 0 when it does not run.
        state: what the supervisor says: running, backoff, fatal …
        healthy: whether it answers that it is ready.
        memory_bytes: resident memory of its processes; a page shared by several counts once.
        address: where a person looks at it; empty if nobody does.
    """

    name: str
    pid: int
    state: str
    healthy: bool
    memory_bytes: int
    address: str


def rows(run_dir: Path) -> list[Row]:
    """Describe every component that was started, the supervisor last; empty when nothing runs.

    Raises:
        OpsError: the run folder is damaged.
    """
    supervisor = Supervisor(run_dir)
    plan = run_folder.load(run_dir)
    if plan is None or not supervisor.running():
        return []
    nowhere = Path()
    known = components(plan, Binaries(nowhere, nowhere, nowhere, nowhere))
    states = {each.name: each for each in supervisor.processes()}
    found = [
        _row(each, states[each.name].pid, states[each.name].state.lower())
        for each in known
        if each.name in states
    ]
    own = supervisor.pid()
    return [*found, Row("supervisor", own, "running", True, _memory([own]), "")]


def _row(component: Component, pid: int, state: str) -> Row:
    return Row(
        component.name,
        pid,
        state,
        healthy(component),
        _memory(_family(pid)) if pid else 0,
        component.address,
    )


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _memory(pids: Sequence[int]) -> int:
    total = 0
    for pid in pids:
        try:
            held = psutil.Process(pid).memory_full_info()
        except psutil.Error:
            continue
        # The proportional share is known on Linux only.
        total += getattr(held, "pss", held.rss)
    return total
