"""Compose mode: the same files as in local mode, as containers of one Compose project."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import yaml

from stack.errors import OpsError
from stack.ops import run_folder
from stack.ops.commands import run
from stack.ops.components import Plan
from stack.ops.docker import images
from stack.ops.docker.containers import Container, containers
from stack.ops.docker.engine import Engine, Progress, find_engine
from stack.ops.ports import check_free, localhost_addresses
from stack.ops.render import render_alertmanager, render_prometheus
from stack.ops.supervisor import wait_until

HEALTHY_WITHIN = 120.0
# A container that has ended so often will do so again.
_RESTARTS = 3
_SERVICES_VARIABLE = "SERVICES_IMAGE"
_SECRETS = Path("/run/secrets")
# What the owner of the checkout uses too, copied out of the containers' volume.
_SHARED_SECRETS = ("metrics_token", "faults_token")


class Compose:
    """The Compose project of one plan. Not thread-safe.

    Args:
        plan: what is to run.
        progress: told in one line what happens.

    Raises:
        OpsError: no engine answers, or Compose cannot be had.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.engine: Engine = find_engine(plan.run_dir)
        self._progress = progress
        self.program = self.engine.plugin("compose", progress)

    @cached_property
    def chosen(self) -> list[images.Choice]:
        """Which images run; Grafana's may be missing.

        Raises:
            OpsError: another one cannot be had.
        """
        chosen = images.choose(self.engine, self.named_images, self._progress)
        missing = [each.tag for each in chosen if each.missing and each.image is not images.GRAFANA]
        if missing:
            raise OpsError(
                f"no registry gives {', '.join(missing)}; `make images` builds what is missing"
            )
        return chosen

    def up(self) -> bool:
        """Start what does not run yet and wait until all of it is healthy.

        Returns:
            False when everything ran already.

        Raises:
            OpsError: something cannot be had, started or does not become healthy; then nothing
                runs.
        """
        with run_folder.locked(self.plan.run_dir):
            running = self.containers()
            if running and all(each.healthy for each in running):
                return False
            for choice in self.chosen:
                self._progress(f"{choice.image.name}: {choice.tag} ({choice.origin})")
            self._prepare_services()
            if not running:
                check_free(self.plan.ports)
            self._render()
            run_folder.save(self.plan)
            try:
                self._start()
                self._copy_secrets()
            except BaseException:
                self.down()
                raise
        return True

    def down(self, *, volumes: bool = False) -> None:
        """Stop and remove the containers and networks; what is stored stays unless told.

        Raises:
            OpsError: the engine refuses.
        """
        options = ["--volumes"] if volumes else []
        self._run("down", "--remove-orphans", "--timeout", "20", *options)

    def containers(self) -> list[Container]:
        """List the containers that go on running, in the order of their names."""
        return containers(self.engine, self.plan.project)

    def logs(self, name: str | None, lines: int, follow: bool) -> Iterator[str]:
        """Yield the last lines of one component's log, or of all with their names in front.

        Raises:
            OpsError: there is no such component.
        """
        known = sorted(each.service for each in self.containers())
        if name is not None and name not in known:
            available = ", ".join(known) or "none yet; `make up` starts the stack"
            raise OpsError(f"SERVICE={name!r} has no log; there are: {available}")
        command = ["logs", "--no-color", f"--tail={lines}"]
        command += [*(["--follow"] if follow else []), *(["--no-log-prefix", name] if name else [])]
        with subprocess.Popen(  # noqa: S603 -- our own command
            self._command(*command), stdout=subprocess.PIPE, text=True
        ) as process:
            yield from (line.rstrip("\n") for line in process.stdout or ())

    @cached_property
    def named_images(self) -> dict[str, str]:
        """What compose.yaml and `.env` name, by the variables that change it."""
        config = yaml.safe_load(self._run("--profile=*", "config"))
        services = config["services"]
        arguments = services["secrets"]["build"]["args"]
        return {
            images.PYTHON.variable: str(arguments[images.PYTHON.variable]),
            _SERVICES_VARIABLE: str(services["gateway"]["image"]),
            **{
                each.variable: str(services[each.name]["image"])
                for each in images.IMAGES
                if each is not images.PYTHON
            },
        }

    def _prepare_services(self) -> None:
        """Build the services' image of this checkout, unless `.env` names another."""
        tag = self.named_images[_SERVICES_VARIABLE]
        if tag == images.SERVICES:
            python = next(each.tag for each in self.chosen if each.image is images.PYTHON)
            images.build_services(self.plan.root, self.engine, python, self._progress)
        elif not self.engine.has_image(tag):
            self._progress(f"pulling {tag} …")
            self.engine.run("pull", "--quiet", tag, timeout=images.PULL_SECONDS)

    def _start(self) -> None:
        without = {each.image.name for each in self.chosen if each.missing}
        for name in without:
            self._progress(f"{name} is left out: its image cannot be had here")
        wanted = set(self._run("config", "--services").split()) - without
        log = self.plan.run_dir / "logs" / "compose.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = self._command("up", "--detach", "--no-build", "--pull=never", *sorted(wanted))
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own command
                command,
                env={**os.environ, **self._environment(), **self._image_environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                self._wait(process, wanted - {"secrets"}, log)
            finally:
                process.terminate()
                process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes], wanted: set[str], log: Path) -> None:
        began = time.monotonic()
        waiting = set(wanted)

        def all_are() -> bool:
            for each in self.containers():
                if each.service in waiting and each.healthy:
                    waiting.remove(each.service)
                    took = time.monotonic() - began
                    self._progress(f"{each.service} is healthy ({took:.1f} s)")
                if each.restarts >= _RESTARTS:
                    raise self._failure(waiting, f"{each.service} ends right after its start")
            if process.poll():
                raise self._failure(waiting, log.read_text(encoding="utf-8", errors="replace"))
            return not waiting and process.poll() == 0

        if not wait_until(all_are, HEALTHY_WITHIN, pause=0.5):
            raise self._failure(waiting, f"not healthy after {HEALTHY_WITHIN:g} s")

    def _failure(self, waiting: set[str], said: str) -> OpsError:
        """Name what is not healthy, with the end of its log."""
        lines = [line for line in said.splitlines() if line.strip()][-3:]
        for each in self.containers():
            if each.service in waiting and each.state != "created":
                shown = self.engine.run("logs", "--tail=8", each.name, both=True)
                lines += [f"{each.service} ({each.state}, {each.health}):", *shown.splitlines()]
        text = "\n  ".join(lines)
        return OpsError(f"{', '.join(sorted(waiting))} did not start; nothing runs now.\n  {text}")

    def _copy_secrets(self) -> None:
        self.plan.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _SHARED_SECRETS:
            secret = self._run("exec", "-T", "gateway", "cat", str(_SECRETS / name))
            path = self.plan.secrets / name
            path.touch(mode=0o600)
            path.write_text(secret, encoding="ascii")

    def _render(self) -> None:
        """Write the components' files with this plan's ports and speed, readable in containers."""
        plan = self.plan
        for name, render in (
            ("prometheus", render_prometheus),
            ("alertmanager", render_alertmanager),
        ):
            render(
                plan.root / name,
                plan.config / name,
                addresses=localhost_addresses(plan.ports),
                secrets_dir=_SECRETS,
                speed=plan.speed,
            )
        for name in ("jaeger", "grafana"):
            shutil.rmtree(plan.config / name, ignore_errors=True)
            shutil.copytree(
                plan.root / name, plan.config / name, ignore=shutil.ignore_patterns("build")
            )
        for path in [plan.config, *plan.config.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _image_environment(self) -> Mapping[str, str]:
        return {each.image.variable: each.tag for each in self.chosen}

    def _environment(self) -> Mapping[str, str]:
        """Return what compose.yaml's variables are set to."""
        plan = self.plan
        drill = {
            "BREAKER_TIMEOUT_SECONDS": f"{plan.breaker_timeout:g}",
            "WATCHDOG_TIMEOUT_SECONDS": f"{plan.watchdog_timeout:g}",
            "PROMETHEUS_RESEND_DELAY": f"{plan.resend_delay}s",
            "SPANMETRICS_FLUSH_INTERVAL": f"{max(1.0, 15 / plan.speed):g}s",
        }
        return {
            **{name: str(port) for name, port in plan.ports.items()},
            "STACK_CONFIG_DIR": str(plan.config),
            "LOAD_RATE": f"{plan.load:g}",
            # At full speed what `.env` says holds.
            **(drill if plan.speed != 1 else {}),
        }

    def _command(self, *arguments: str) -> list[str]:
        plan = self.plan
        profiles = ["--profile=load"] if plan.load or "down" in arguments else []
        return [
            *self.program,
            f"--project-name={plan.project}",
            f"--project-directory={plan.root}",
            f"--file={plan.root / 'compose.yaml'}",
            *profiles,
            *arguments,
        ]

    def _run(self, *arguments: str) -> str:
        return run(self._command(*arguments), env=self._environment(), timeout=180)
