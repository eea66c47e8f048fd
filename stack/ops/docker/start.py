"""Starting containers, telling which are healthy, and giving up on what cannot become so."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack.errors import OpsError
from stack.ops.commands import Progress
from stack.ops.docker.containers import Container, containers, healthy_services
from stack.ops.docker.engine import Engine
from stack.ops.supervisor import wait_until

# A large store takes minutes until it has read what was not yet written to its blocks.
HEALTHY_WITHIN = 360.0
# A container that has ended so often will do so again.
_ENDS = 3


@dataclass(slots=True)
class Start:
    """One run of `docker compose up`, and the wait until all is healthy.

    Args:
        command: what starts the containers, and ends then.
        env: its environment.
        cwd: where it is started.
        log: what it prints goes there.
        wanted: the services that are waited for.
        before: how often each container had been started again before, by its name.
        engine: what runs them.
        project: what Compose calls the stack.
        progress: told in one line what happens.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    wanted: set[str]
    before: Mapping[str, int]
    engine: Engine
    project: str
    progress: Progress
    _began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Start them, and return when all are healthy.

        Raises:
            OpsError: one does not become healthy; the message names it, with the end of its log.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own command
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Who interrupts us is answered by us, which ends it.
                start_new_session=True,
            )
            try:
                if not wait_until(lambda: self._all_are(process), HEALTHY_WITHIN, pause=0.5):
                    raise self._failure(f"not healthy after {HEALTHY_WITHIN:g} s")
            finally:
                _end(process)

    def _all_are(self, process: subprocess.Popen[bytes]) -> bool:
        found = containers(self.engine, self.project)
        for each in found:
            if each.service in self.wanted and self._has_failed(each):
                raise self._failure(f"{each.service} ends or stays unhealthy")
        for service in sorted(healthy_services(found) & self.wanted):
            self.wanted.remove(service)
            self.progress(f"{service} is healthy ({time.monotonic() - self._began:.1f} s)")
        if process.poll():
            raise self._failure(self.log.read_text(encoding="utf-8", errors="replace"))
        return not self.wanted and process.poll() == 0

    def _has_failed(self, container: Container) -> bool:
        if container.healthy:
            return False
        ended = container.restarts - self.before.get(container.name, 0)
        # What was unhealthy before is about to be made anew.
        stuck = container.health == "unhealthy" and container.name not in self.before
        return ended >= _ENDS or stuck

    def _failure(self, said: str) -> OpsError:
        lines = [line for line in said.splitlines() if line.strip()][-3:]
        found = containers(self.engine, self.project)
        for each in found:
            # One that ended with an error is a cause, whether or not it was waited for.
            if each.state != "created" and (each.service in self.wanted or each.state == "exited"):
                shown = self.engine.run("logs", "--tail=8", each.name, both=True)
                lines += [f"{each.service} ({each.state}, {each.health}):", *shown.splitlines()]
        names = ", ".join(sorted(self.wanted)) or "the stack"
        text = "\n  ".join(lines)
        return OpsError(f"{names} did not start.\n  {text}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
