"""Which way the stack runs: as containers where that is possible, else as local processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stack.errors import OpsError
from stack.ops import local, log_files, run_folder
from stack.ops.components import Plan
from stack.ops.docker.compose import Compose
from stack.ops.local import Progress
from stack.ops.supervisor import Supervisor


def decide(plan: Plan, wanted: str, progress: Progress) -> Plan:
    """Return the plan with its mode: `wanted`, or for `auto` what is possible.

    What runs already goes on in its mode.

    Args:
        plan: all but the mode.
        wanted: auto, compose or local.
        progress: told why, in one line.

    Raises:
        OpsError: another mode is wanted than what runs already.
    """
    running = running_plan(plan.run_dir)
    if running is not None and wanted not in {"auto", running.mode}:
        raise OpsError(f"the stack runs in {running.mode} mode already; `make down` stops it")
    if running is not None:
        return running
    if wanted != "auto":
        return replace(plan, mode=wanted)
    try:
        Compose(plan, progress).choose_images()
    except OpsError as error:
        progress(f"no containers: {error}")
        return replace(plan, mode="local")
    return replace(plan, mode="compose")


def running_plan(run_dir: Path) -> Plan | None:
    """Return the plan of what runs in this folder; None when nothing does."""
    plan = run_folder.load(run_dir)
    if plan is None:
        return None
    if plan.mode == "local":
        return plan if Supervisor(run_dir).running() else None
    return plan if Compose(plan, _silent).containers() else None


def up(plan: Plan, progress: Progress) -> bool:
    """Start it; as of `local.up` and `Compose.up`."""
    return Compose(plan, progress).up() if plan.mode == "compose" else local.up(plan, progress)


def down(run_dir: Path, *, volumes: bool = False) -> bool:
    """Stop everything; what is stored stays unless told.

    Returns:
        False when nothing ran.

    Raises:
        OpsError: something cannot be stopped.
    """
    plan = run_folder.load(run_dir)
    if plan is not None and plan.mode == "compose":
        compose = Compose(plan, _silent)
        with run_folder.locked(run_dir):
            ran = bool(compose.containers())
            if ran or volumes:
                compose.down(volumes=volumes)
        return ran
    ran = local.down(run_dir)
    if volumes:
        shutil.rmtree(run_dir / "data", ignore_errors=True)
    return ran


def logs(run_dir: Path, name: str | None, lines: int, follow: bool) -> Iterator[str]:
    """Yield the last lines of one component's log, or of all.

    Raises:
        OpsError: there is no such component.
    """
    plan = run_folder.load(run_dir)
    if plan is not None and plan.mode == "compose":
        return Compose(plan, _silent).logs(name, lines, follow)
    return log_files.read(run_dir / "logs", name, lines, follow)


def _silent(_: str) -> None:
    """What needs no telling."""
