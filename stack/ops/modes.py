"""Which way the stack runs: as containers where that is possible, else as local processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stack.errors import OpsError
from stack.ops import local, log_files, run_folder
from stack.ops.commands import Progress
from stack.ops.components import Plan
from stack.ops.docker.compose import Compose
from stack.ops.scale.ports import PUBLISHED, SCALED
from stack.ops.scale.shards import PUBLISHED_SHARDED, SHARDED_PORTS
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
    running = running_plan(plan)
    if running is not None and wanted not in {"auto", running.mode}:
        raise OpsError(f"the stack runs in {running.mode} mode already; `make down` stops it")
    if running is not None and plan.scale and not running.scale:
        raise OpsError("the stack runs already, each part once; `make down` stops it first")
    if running is not None and plan.shards > running.shards:
        raise OpsError("the stack runs already, without shards; `make down` stops it first")
    if running is not None:
        # What was added since gets its port.
        plan = replace(running, ports={**plan.ports, **running.ports})
        wanted = running.mode
    if wanted == "local":
        return Local(replace(plan, mode="local"), progress)
    try:
        inner = {*SCALED, *SHARDED_PORTS} - PUBLISHED - PUBLISHED_SHARDED
        published = {name: port for name, port in plan.ports.items() if name not in inner}
        compose = Compose(replace(plan, mode="compose", ports=published), progress)
        if running is None:
            # Looked up here, for without them there is another way.
            _ = compose.chosen
    except OpsError as error:
        if wanted == "compose":
            raise
        progress(f"no containers: {error}")
        return Local(replace(plan, mode="local"), progress)
    return compose


def running_plan(plan: Plan) -> Plan | None:
    """Return the plan of what runs of this checkout; None when nothing does.

    Args:
        plan: what would be started; it finds containers that were not started by `make up`.
    """
    saved = run_folder.load(plan.run_dir)
    if saved is not None and Supervisor(plan.run_dir).running():
        return saved
    try:
        compose = _compose(plan)
        return compose.plan if compose is not None and compose.containers() else None
    except OpsError:
        # Without its engine no container runs.
        return None


def down(plan: Plan, *, volumes: bool = False) -> bool:
    """Stop everything, in whichever mode; what is stored stays unless told.

    Returns:
        False when nothing ran.

    Raises:
        OpsError: something cannot be stopped.
    """
    ran = local.down(plan.run_dir)
    compose = _compose(plan)
    if compose is not None:
        with run_folder.locked(plan.run_dir):
            found = compose.containers()
            if found or volumes:
                compose.down(volumes=volumes)
        ran = ran or bool(found)
    if volumes:
        shutil.rmtree(plan.data, ignore_errors=True)
    return ran


def logs(plan: Plan, name: str | None, lines: int, follow: bool) -> Iterator[str]:
    """Yield the last lines of one component's log, or of all.

    Raises:
        OpsError: there is no such component.
    """
    running = running_plan(plan)
    if running is not None and running.mode == "compose":
        return Compose(running, _silent).logs(name, lines, follow)
    return log_files.read(plan.run_dir / "logs", name, lines, follow)


def _compose(plan: Plan) -> Compose | None:
    """Return this checkout's project; None where no engine is, or the name is another's.

    Raises:
        OpsError: it cannot be asked, though containers were started last.
    """
    saved = run_folder.load(plan.run_dir)
    was_compose = saved is not None and saved.mode == "compose"
    known = saved if saved is not None and was_compose else replace(plan, mode="compose")
    try:
        compose = Compose(known, _silent)
        compose.containers()
    except OpsError:
        if was_compose:
            raise
        return None
    return compose


def _silent(_: str) -> None:
    """What needs no telling."""
