"""The machine: clocks, disks, ports, secrets and versions."""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from stack.ops.binaries import NEEDED
from stack.ops.components import Plan
from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources
from stack.ops.ports import ONLY_WITH_GRAFANA, ONLY_WITH_JAEGER, is_free
from stack.ops.scale.ports import UNUSED
from stack.ops.secrets import NAMES
from stack.ops.supervisor import Supervisor

# A header has whole seconds, and an answer is on its way for a while.
_SKEW = 3.0
# Bytes and share of a disk below which it is nearly full.
_LITTLE, _MUCH, _SHARE = 1e9, 10e9, 0.05


def clocks(sources: Sources) -> Report:
    """Compare this machine's clock with those of the components."""
    skews: dict[str, float] = {}
    for name, port in {**sources.services, "prometheus": "PROMETHEUS_PORT"}.items():
        path = "/healthz" if name in sources.services else "/-/healthy"
        with suppress(NotCheckedError, TypeError, ValueError):
            before = time.time()
            answer = sources.answer(port, path)
            there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
            # The header's moment is somewhere in its second, and in the time that it took.
            skews[name] = min(
                (there + part - (before + time.time()) / 2 for part in (0.0, 1.0)), key=abs
            )
    if not skews:
        raise NotCheckedError("no component answers with its time")
    problems = [
        Problem(
            f"the clock of {name} is {skew:+.0f} s from this machine's: samples, spans and alerts "
            "are out of order",
            "timedatectl set-ntp true",
        )
        for name, skew in skews.items()
        if abs(skew) > _SKEW
    ]
    return Report(f"at most {max(map(abs, skews.values())):.0f} s between clocks", problems)


def disks(sources: Sources) -> Report:
    """Look at the room where the stack and the services' workers write."""
    problems, shown = [], []
    for folder in dict.fromkeys((sources.plan.run_dir, Path(tempfile.gettempdir()))):
        try:
            disk = shutil.disk_usage(folder)
        except OSError as error:
            raise NotCheckedError(f"{folder}: {error.strerror}") from error
        free = f"{folder}: {disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free"
        shown.append(free)
        if disk.free < _LITTLE or disk.free < min(_MUCH, _SHARE * disk.total):
            problems.append(
                Problem(
                    f"the disk is nearly full: {free}", f"du -xh -d 2 {folder} | sort -h | tail"
                )
            )
    return Report("; ".join(shown), problems)


def ports(sources: Sources) -> Report:
    """See whether somebody else listens where a component should."""
    plan = sources.plan
    if plan.mode == "compose":
        raise NotCheckedError("the engine itself refuses to publish a port that is taken")
    unused = {
        *ONLY_WITH_GRAFANA,
        *(() if plan.jaeger else ONLY_WITH_JAEGER),
        *(() if plan.load else ("LOADGEN_METRICS_PORT",)),
        *(UNUSED if plan.scale else ()),
    }
    wanted = {port: name for name, port in plan.ports.items() if name not in unused}
    ours = _listening(plan)
    problems = [
        Problem(
            f"port {port} ({name}) is taken by {_owner(port)}",
            f"make down && {name}={_another(wanted)} {plan.make('up')}",
        )
        for port, name in wanted.items()
        if port not in ours and not is_free(port)
    ]
    return Report(f"{len(wanted.keys() & ours)} of {len(wanted)} ports are the stack's", problems)


def _listening(plan: Plan) -> set[int]:
    found: set[int] = set()
    for process in Supervisor(plan.run_dir).marked():
        with suppress(psutil.Error):
            found |= {
                each.laddr.port
                for each in process.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN and each.laddr
            }
    return found


def _owner(port: int) -> str:
    with suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.pid and each.laddr and each.laddr.port == port:
                return f"process {each.pid} ({psutil.Process(each.pid).name()})"
    return "a process of another user"


def _another(wanted: dict[int, str]) -> int:
    return next(port for port in range(18_000, 65_536) if port not in wanted and is_free(port))


def secrets(sources: Sources) -> Report:
    """See whether others than their owner can read the tokens."""
    folder = sources.plan.secrets
    problems = []
    for path in (folder, *(folder / name for name in NAMES)):
        try:
            mode = path.stat().st_mode & 0o777
            empty = path != folder and not path.stat().st_size
        except OSError as error:
            problems.append(
                Problem(f"{path} is not there: {error.strerror}", mends.anew(sources.plan))
            )
            continue
        if mode & 0o077 and path != folder:
            problems.append(
                Problem(f"{path} can be read by others (mode {mode:o})", f"chmod 600 {path}")
            )
        elif mode & 0o077:
            problems.append(
                Problem(f"{path} can be entered by others (mode {mode:o})", f"chmod 700 {path}")
            )
        if empty:
            problems.append(Problem(f"{path} is empty", f"rm {path} && {mends.anew(sources.plan)}"))
    return Report(f"{len(NAMES)} tokens in {folder}", problems)


def versions(sources: Sources) -> Report:
    """Hold the versions against what the configuration needs; services must agree."""
    found = {
        "prometheus": sources.prometheus("status/buildinfo")["version"],
        "alertmanager": sources.json("ALERTMANAGER_PORT", "/api/v2/status")["versionInfo"][
            "version"
        ],
    }
    problems = [
        Problem(
            f"{name} is {found[name]}, at least {'.'.join(map(str, needed))} is needed",
            f"rm -rf {sources.plan.run_dir / 'bin'} && {mends.anew(sources.plan)}",
        )
        for name, needed in NEEDED.items()
        if _parts(found[name]) < needed
    ]
    library = {
        each.labels.get("exported_service", each.labels.get("service", "?")): each.labels["version"]
        for each in sources.query("stack_build_info")
    }
    if len({*library.values()}) > 1:
        told = ", ".join(f"{name} {text}" for name, text in sorted(library.items()))
        problems.append(
            Problem(f"services have different versions: {told}", mends.anew(sources.plan))
        )
    known = ", ".join(f"{name} {text}" for name, text in found.items())
    return Report(
        f"{known}, stack {version('stack')}, Python {platform.python_version()}", problems
    )


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
