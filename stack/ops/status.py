"""What runs: its state, health, memory, processor and address, in either mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from stack.ops.added import variable_of
from stack.ops.components import Component, Plan
from stack.ops.docker.compose import Compose
from stack.ops.docker.containers import Container, Usage, usage
from stack.ops.local import everything, healthy
from stack.ops.modes import running_plan
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
        cpu_percent: of one core, now; None where it is not measured.
    """

    name: str
    pid: int
    state: str
    healthy: bool
    memory_bytes: int
    address: str
    cpu_percent: float | None = None


def rows(plan: Plan) -> list[Row]:
    """Describe every component that was started; empty when nothing runs.

    Args:
        plan: what would be started.

    Raises:
        OpsError: the run folder is damaged, or the engine does not answer.
    """
    running = running_plan(plan)
    if running is None:
        return []
    return _of_containers(running) if running.mode == "compose" else _of_processes(running)


def _of_containers(plan: Plan) -> list[Row]:
    compose = Compose(plan, lambda _: None)
    found = compose.containers()
    used = usage(compose.engine, found)
    nothing = Usage(0, 0.0)
    missing = sorted(compose.services - {each.service for each in found})
    described = [
        Row(
            _name(each, found, plan.project),
            each.pid,
            each.state,
            each.healthy,
            used.get(each.id, nothing).memory_bytes,
            _address(plan, each.service),
            used.get(each.id, nothing).cpu_percent,
        )
        for each in found
    ]
    return described + [
        Row(name, 0, "missing", False, 0, _address(plan, name), 0.0) for name in missing
    ]


def _name(container: Container, found: Sequence[Container], project: str) -> str:
    """Name a container as its service, or with its number where there are several."""
    alone = [each.service for each in found].count(container.service) == 1
    return container.service if alone else container.name.removeprefix(f"{project}-")


def _address(plan: Plan, service: str) -> str:
    port = {"jaeger": "JAEGER_QUERY_PORT"}.get(service, variable_of(service))
    return plan.url(port) if port in plan.ports else ""


def _of_processes(plan: Plan) -> list[Row]:
    """Describe the components, and the supervisor last."""
    supervisor = Supervisor(plan.run_dir)
    if not supervisor.running():
        return []
    known = everything(plan)
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
