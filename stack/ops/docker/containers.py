"""The containers and volumes of a Compose project as the engine sees them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stack.errors import OpsError
from stack.ops.docker.engine import Engine

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ATTEMPTS = 3
_CHECKOUT = "com.docker.compose.project.working_dir"
_ONE_OFF = "com.docker.compose.oneoff"
_UNITS = {"B": 1, "kB": 1e3, "KiB": 2**10, "MB": 1e6, "MiB": 2**20, "GB": 1e9, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class Container:
    """One container.

    Args:
        id: the engine's name for it.
        name: as `docker ps` shows it.
        service: its name in compose.yaml.
        state: created, running, restarting, exited …
        health: healthy, unhealthy, starting; empty where nothing is checked.
        pid: its first process as this machine sees it; 0 when it does not run.
        restarts: how often the engine has started it again.
        checkout: the folder whose compose.yaml it was made from.
    """

    id: str
    name: str
    service: str
    state: str
    health: str
    pid: int
    restarts: int
    checkout: str

    @property
    def healthy(self) -> bool:
        """Tell whether it runs and its check passes."""
        return self.state == "running" and self.health == "healthy"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses now: bytes of memory, and the share of one core in percent."""

    memory_bytes: int
    cpu_percent: float


def containers(engine: Engine, project: str) -> list[Container]:
    """List a project's containers but for those that did their work and ended.

    Raises:
        OpsError: the engine does not answer.
    """
    for attempt in itertools.count():
        listed = engine.run("ps", "--all", "--quiet", f"--filter=label={_PROJECT}={project}")
        try:
            described = _inspect(engine, listed.split())
            break
        except OpsError:
            # One was removed between the two questions.
            if attempt == _ATTEMPTS:
                raise
    found = [_container(each) for each in described if not _has_ended_well(each)]
    return sorted(found, key=lambda each: each.service)


def healthy_services(found: Sequence[Container]) -> set[str]:
    """Return the services of which every container is healthy."""
    return {each.service for each in found} - {each.service for each in found if not each.healthy}


def usage(engine: Engine, found: Sequence[Container]) -> dict[str, Usage]:
    """Measure the running ones, by their ids; takes two seconds.

    Raises:
        OpsError: the engine does not answer.
    """
    running = {each.id for each in found if each.state == "running"}
    if not running:
        return {}
    shown = engine.run("stats", "--no-stream", "--no-trunc", "--format={{json .}}", *running)
    rows = [json.loads(line) for line in shown.splitlines()]
    return {
        row["ID"]: Usage(_bytes(row["MemUsage"].partition("/")[0]), _percent(row["CPUPerc"]))
        for row in rows
        if row["ID"] in running
    }


def delete_volumes(engine: Engine, project: str) -> None:
    """Delete all volumes of a project, whichever files of Compose they were made from.

    Raises:
        OpsError: the engine refuses, for a container has one.
    """
    listed = engine.run("volume", "ls", "--quiet", f"--filter=label={_PROJECT}={project}").split()
    if listed:
        engine.run("volume", "rm", "--force", *listed)


def _inspect(engine: Engine, listed: Sequence[str]) -> list[dict[str, Any]]:
    if not listed:
        return []
    described: list[dict[str, Any]] = json.loads(engine.run("inspect", "--type=container", *listed))
    return described


def _container(described: dict[str, Any]) -> Container:
    state = described["State"]
    return Container(
        described["Id"],
        described["Name"].removeprefix("/"),
        described["Config"]["Labels"][_SERVICE],
        state["Status"],
        state.get("Health", {}).get("Status", ""),
        state["Pid"],
        described["RestartCount"],
        described["Config"]["Labels"].get(_CHECKOUT, ""),
    )


def _has_ended_well(described: dict[str, Any]) -> bool:
    state = described["State"]
    labels = described["Config"]["Labels"]
    once = described["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    return labels.get(_ONE_OFF) == "True" or (
        once and state["Status"] in {"created", "running", "exited"} and state["ExitCode"] == 0
    )


def _percent(shown: str) -> float:
    """Read a share; the engine shows dashes for what has just ended."""
    return float(shown.rstrip("%").strip("-") or 0)


def _bytes(shown: str) -> int:
    match = re.fullmatch(r"\s*([\d.]+)\s*([a-zA-Z]+)\s*", shown)
    return int(float(match[1]) * _UNITS[match[2]]) if match and match[2] in _UNITS else 0
