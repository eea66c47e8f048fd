"""Which way the stack runs: as containers where that is possible, else as local processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stack.errors import OpsError
from stack.ops import local, log_files, run_folder
from stack.ops.components import Plan
from stack.ops.docker.compose import Compose
from stack.ops.docker.containers import containers
from stack.ops.docker.engine import find_engine
from stack.ops.local import Progress
from stack.ops.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Local:
    """Starts it as local processes; as of `local.up`."""

    plan: Plan
    progress: Progress

    def up(self) -> bool:
        """Start what does not run yet; False when everything ran already."""
        return local.up(self.plan, self.progress)


def decide(plan: Plan, wanted: str, progress: Progress) -> Compose | Local:
    """Return what starts the plan: in the mode wanted, or for `auto` in the one that is possible.

    What runs already goes on in its mode, with its own plan.

    Args:
        plan: all but the mode.
        wanted: auto, compose or local.
        progress: told why, in one line, and then what happens.

    Raises:
        OpsError: another mode is wanted than what runs already, or it is not possible.
    """
    running = running_plan(plan.run_dir)
    if running is not None and wanted not in {"auto", running.mode}:
        raise OpsError(f"the stack runs in {running.mode} mode already; `make down` stops it")
    if running is not None:
        plan, wanted = running, running.mode
    if wanted == "local":
        return Local(replace(plan, mode="local"), progress)
    try:
        compose = Compose(replace(plan, mode="compose"), progress)
        if running is None:
            # Looked up here, for without them there is another way.
            _ = compose.chosen
    except OpsError as error:
        if wanted == "compose":
            raise
        progress(f"no containers: {error}")
        return Local(replace(plan, mode="local"), progress)
    return compose


def running_plan(run_dir: Path) -> Plan | None:
    """Return the plan of what runs in this folder; None when nothing does."""
    plan = run_folder.load(run_dir)
    if plan is None:
        return None
    if plan.mode == "local":
        return plan if Supervisor(run_dir).running() else None
    try:
        engine = find_engine(run_dir)
    except OpsError:
        # Without its engine no container runs.
        return None
    return plan if containers(engine, plan.project) else None


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
