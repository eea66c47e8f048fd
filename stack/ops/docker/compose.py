"""Compose mode: the same files as in local mode, as containers of one Compose project."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import yaml

from stack.errors import OpsError
from stack.ops import run_folder
from stack.ops.commands import Progress, run
from stack.ops.components import Plan
from stack.ops.docker import images
from stack.ops.docker.build import build_services
from stack.ops.docker.containers import Container, containers, delete_volumes, healthy_services
from stack.ops.docker.engine import Engine, find_engine
from stack.ops.docker.layout import readable
from stack.ops.docker.start import Start
from stack.ops.ports import (
    ONLY_LOCAL,
    ONLY_WITH_GRAFANA,
    ONLY_WITHOUT_GRAFANA,
    check_free,
    default_ports,
    localhost_addresses,
)
from stack.ops.render import render

_SERVICES_VARIABLE = "SERVICES_IMAGE"
# Its name and its profile: a plain `docker compose up` starts Grafana instead.
CONSOLE = "console"
# Compose itself looks for the first and the last, but not where files are named.
_SHARDS = "compose.shards.yaml"
_FILES = ("compose.yaml", "compose.scale.yaml", _SHARDS, "compose.override.yaml")
# Where the tokens are that the owner of the checkout uses too.
_TOKENS = {
    "metrics_token": "/run/secrets/metrics_token",
    "faults_token": "/run/faults/faults_token",
}


class Compose:
    """The Compose project of one plan. Not thread-safe.

    Args:
        plan: what is to run.
        progress: told in one line what happens.

    Raises:
        OpsError: no engine answers.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.engine: Engine = find_engine(plan.run_dir)
        self._progress = progress

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The command of Compose.

        Raises:
            OpsError: it cannot be had.
        """
        return self.engine.plugin("compose", self._progress)

    @cached_property
    def chosen(self) -> list[images.Choice]:
        """Which images run; Grafana's may be missing.

        Raises:
            OpsError: another one cannot be had.
        """
        chosen = images.choose(self.engine, self.named_images, self._progress, self._images)
        build = f"`make images{' SCALE=1' if self.plan.scale else ''}` builds it"
        for each in chosen:
            if each.missing and each.image is not images.GRAFANA:
                raise OpsError(f"{each.tag} cannot be had ({each.reason}); {build}")
        return chosen

    @cached_property
    def named_images(self) -> dict[str, str]:
        """What compose.yaml and `.env` name, by the variables that change it."""
        services = yaml.safe_load(self._run("config"))["services"]
        arguments = services["secrets"]["build"]["args"]
        return {
            images.PYTHON.variable: str(arguments[images.PYTHON.variable]),
            _SERVICES_VARIABLE: str(services["gateway"]["image"]),
            **{
                each.variable: str(services[each.service or each.name]["image"])
                for each in self._images
                if each is not images.PYTHON
            },
        }

    @property
    def _images(self) -> tuple[images.Image, ...]:
        return images.SCALED_IMAGES if self.plan.scale else images.IMAGES

    def up(self) -> bool:
        """Start what does not run yet and wait until all of it is healthy.

        Returns:
            False when everything ran already.

        Raises:
            OpsError: something cannot be had, started or does not become healthy; then what did
                not run before does not run now.
        """
        with run_folder.locked(self.plan.run_dir):
            running = self.containers()
            if running and self._complete(running):
                self._remember()
                return False
            for choice in self.chosen:
                self._progress(f"{choice.image.name}: {choice.tag} ({choice.origin})")
            self._prepare_services()
            self.plan = replace(self.plan, console=CONSOLE in self.services)
            if not running:
                ports = self.plan.ports.items()
                unused = ONLY_WITH_GRAFANA if self.plan.console else ONLY_WITHOUT_GRAFANA
                unused = unused | ONLY_LOCAL
                check_free({name: port for name, port in ports if name not in unused})
            self._render()
            self._check_jaeger()
            run_folder.save(self.plan)
            try:
                self._start(running)
                self._remember()
            except BaseException:
                if not running:
                    self.down()
                raise
        return True

    def down(self, *, volumes: bool = False) -> None:
        """Stop and remove the containers and networks; what is stored stays unless told.

        Raises:
            OpsError: the engine refuses.
        """
        options = ["--volumes"] if volumes else []
        self._run("down", "--remove-orphans", "--timeout=20", *options)
        if volumes:
            # Compose knows those of its files alone: not those of pairs, where it is single now.
            delete_volumes(self.engine, self.plan.project)

    def containers(self) -> list[Container]:
        """List this checkout's containers that go on running, in the order of their names.

        Raises:
            OpsError: another checkout has given its containers the same project's name.
        """
        found = containers(self.engine, self.plan.project)
        others = {each.checkout for each in found} - {str(self.plan.root), ""}
        if others:
            raise OpsError(
                f"the project {self.plan.project!r} is that of {min(others)}; "
                f"give this one another name in .env: COMPOSE_PROJECT_NAME={self.plan.project}-2"
            )
        return found

    def logs(self, name: str | None, lines: int, follow: bool) -> Iterator[str]:
        """Yield the last lines of one component's log, or of all with their names in front.

        Raises:
            OpsError: there is no such component.
        """
        known = [each.service for each in self.containers()]
        if name is not None and name not in known:
            available = ", ".join(known) or "none yet; `make up` starts the stack"
            raise OpsError(f"SERVICE={name!r} has no log; there are: {available}")
        command = ["logs", "--no-color", f"--tail={lines}"]
        command += [*(["--follow"] if follow else []), *(["--no-log-prefix", name] if name else [])]
        with subprocess.Popen(  # noqa: S603 -- our own command
            self._command(*command),
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self.plan.root,
        ) as process:
            try:
                yield from (line.rstrip("\n") for line in process.stdout or ())
            finally:
                process.terminate()

    @cached_property
    def services(self) -> set[str]:
        """What is to go on running: all but what ends by itself; one of Grafana and the console."""
        grafana = self.engine.has_image(self.named_images[images.GRAFANA.variable])
        without = {"secrets", CONSOLE if grafana else images.GRAFANA.name}
        return set(self._run("config", "--services").split()) - without

    def _complete(self, running: list[Container]) -> bool:
        return healthy_services(running) >= self.services

    def _prepare_services(self) -> None:
        """Build the services' image of this checkout, unless `.env` names another."""
        tag = self.named_images[_SERVICES_VARIABLE]
        if tag == images.SERVICES:
            python = next(each.tag for each in self.chosen if each.image is images.PYTHON)
            build_services(self.plan.root, self.engine, python, self._progress)
        elif not self.engine.has_image(tag):
            self._progress(f"pulling {tag} …")
            self.engine.run("pull", "--quiet", tag, timeout=images.PULL_SECONDS)

    def _start(self, running: list[Container]) -> None:
        for choice in self.chosen:
            if choice.missing:
                self._progress(f"the console in place of {choice.image.name}: {choice.reason}")
        chosen = {each.image.variable: each.tag for each in self.chosen}
        # Of Grafana and the console one runs: what was started for want of the other ends.
        replaced = {CONSOLE, images.GRAFANA.name} - self.services
        if replaced & {each.service for each in running}:
            self._run("rm", "--stop", "--force", *replaced)
        wanted = sorted({"secrets", *self.services})
        Start(
            self._command("up", "--detach", "--no-build", "--pull=never", *wanted),
            {**os.environ, **self._environment(), **chosen},
            cwd=self.plan.root,
            log=self.plan.run_dir / "logs" / "compose.log",
            wanted=set(self.services),
            before={each.name: each.restarts for each in running},
            engine=self.engine,
            project=self.plan.project,
            progress=self._progress,
        ).run()

    def _remember(self) -> None:
        """Let other commands find what runs, and its owner use the tokens."""
        if run_folder.load(self.plan.run_dir) is None:
            run_folder.save(self.plan)
        self.plan.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, place in _TOKENS.items():
            path = self.plan.secrets / name
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text(self._run("exec", "-T", "gateway", "cat", place), encoding="ascii")

    def _render(self) -> None:
        """Write the components' files with this plan's ports and speed, readable in containers."""
        plan = self.plan
        render(
            plan.root,
            plan.config,
            addresses=localhost_addresses(
                plan.ports, console=plan.console, defaults=default_ports(plan.root)
            ),
            secrets_dir=Path("/run/secrets"),
            speed=plan.speed,
            left_out=["targets/grafana.yaml"] if plan.console else [],
        )
        shutil.copytree(
            plan.root / "jaeger",
            plan.config / "jaeger",
            ignore=shutil.ignore_patterns("build"),
            dirs_exist_ok=True,
        )
        readable(plan.config)

    def _check_jaeger(self) -> None:
        """Let Jaeger read its file before anything is started.

        Raises:
            OpsError: it refuses the file.
        """
        tag = next(each.tag for each in self.chosen if each.image is images.JAEGER)
        mount = f"--volume={self.plan.config / 'jaeger'}:/etc/jaeger:ro,z"
        check = ("validate", "--config=file:/etc/jaeger/config.yaml")
        try:
            self.engine.run("run", "--rm", "--network=none", "--read-only", mount, tag, *check)
        except OpsError as error:
            raise OpsError(f"jaeger/config.yaml is refused: {error}") from error

    def _environment(self) -> Mapping[str, str]:
        """Return what compose.yaml's variables are set to."""
        plan = self.plan
        drill = {
            "BREAKER_TIMEOUT_SECONDS": f"{plan.breaker_timeout:g}",
            "WATCHDOG_TIMEOUT_SECONDS": f"{plan.watchdog_timeout:g}",
            "PROMETHEUS_RESEND_DELAY": f"{plan.resend_delay}s",
            "SPANMETRICS_FLUSH_INTERVAL": f"{plan.span_metrics_interval:g}s",
        }
        return {
            **{name: str(port) for name, port in plan.ports.items()},
            "STACK_CONFIG_DIR": str(plan.config),
            "LOAD_RATE": f"{plan.load:g}",
            "SAMPLING": plan.sampling,
            **({"TRACES_URL": plan.traces_url} if plan.console else {}),
            # At full speed what `.env` says holds.
            **(drill if plan.speed != 1 else {}),
        }

    def _command(self, *arguments: str) -> list[str]:
        # What runs is said by name; without its profile the console would not be known.
        profile = f"--profile={CONSOLE}"
        wanted = [each for each in _FILES if each != _SHARDS or self.plan.shards > 1]
        there = [each for each in wanted if (self.plan.root / each).is_file()]
        files = [f"--file={each}" for each in there] if self.plan.scale else []
        return [*self.program, f"--project-name={self.plan.project}", profile, *files, *arguments]

    def _run(self, *arguments: str) -> str:
        return run(
            self._command(*arguments), env=self._environment(), cwd=self.plan.root, timeout=180
        )
