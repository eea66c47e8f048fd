"""What the export is made of: compose.yaml and the components' own files, read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from stack.errors import OpsError

Object = dict[str, Any]

# What is applied through the operator, or stays in a Grafana that is there already.
OPERATED = ("prometheus", "alertmanager")
LOADGEN = "loadgen"
GRAFANA = "grafana"
_LEFT_OUT = {*OPERATED, GRAFANA, "console", "secrets"}
_VARIABLE = re.compile(r"\$\{\w+(?::-([^${}]*))?\}")
_URL = re.compile(r"http://([a-z][a-z0-9-]*):(\d+)")


@dataclass(frozen=True, order=True)
class Way:
    """A connection that is permitted: who opens it, to whom, at which port."""

    source: str
    target: str
    port: int


@dataclass(frozen=True)
class Sources:
    """A checkout's files, read once each."""

    root: Path

    def text(self, path: str) -> str:
        """Return a file's text.

        Raises:
            OpsError: it cannot be read.
        """
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise OpsError(f"{self.root / path}: cannot be read ({error}); restore it") from error

    def read(self, path: str) -> Any:
        """Return a YAML file's content.

        Raises:
            OpsError: it cannot be read.
        """
        try:
            return yaml.safe_load(self.text(path))
        except yaml.YAMLError as error:
            raise OpsError(f"{self.root / path}: is no YAML ({error}); mend it") from error

    @cached_property
    def services(self) -> dict[str, Object]:
        """Compose's services, with the defaults of all variables."""
        text = self.text("compose.yaml")
        while (filled := _VARIABLE.sub(lambda match: match[1] or "", text)) != text:
            text = filled
        found: dict[str, Object] = yaml.safe_load(text)["services"]
        return found

    @property
    def workloads(self) -> list[str]:
        """The services that become Deployments."""
        return [name for name in self.services if name not in _LEFT_OUT]

    @cached_property
    def jobs(self) -> list[tuple[Object, list[tuple[str, int]]]]:
        """Prometheus' scrape jobs, each with its targets."""
        return [(job, self._targets(job)) for job in self.prometheus["scrape_configs"]]

    @cached_property
    def prometheus(self) -> Object:
        """Prometheus' own file."""
        found: Object = self.read("prometheus/prometheus.yml")
        return found

    @cached_property
    def ways(self) -> list[Way]:
        """Every connection that the files name, between services that share a network of Compose.

        Raises:
            OpsError: two services are to speak to each other without a network in common.
        """
        found = {
            Way(name, host, int(port))
            for name, service in self.services.items()
            if name in {*self.workloads, GRAFANA}
            for value in service.get("environment", {}).values()
            for host, port in _URL.findall(str(value))
        }
        found |= {Way("prometheus", *target) for _, targets in self.jobs for target in targets}
        for source, path in (
            ("alertmanager", "alertmanager/alertmanager.yml"),
            (GRAFANA, "grafana/provisioning/datasources/stack.yaml"),
        ):
            found |= {Way(source, host, int(port)) for host, port in _URL.findall(self.text(path))}
        alerting = self.prometheus["alerting"]["alertmanagers"]
        found |= {
            Way("prometheus", *_address(target))
            for each in alerting
            for config in each["static_configs"]
            for target in config["targets"]
        }
        ways = sorted(way for way in found if way.target in self.services)
        for way in ways:
            if not self._networks(way.source) & self._networks(way.target):
                raise OpsError(
                    f"compose.yaml: {way.source} is to reach {way.target}:{way.port}, "
                    "but they share no network; give them one"
                )
        return ways

    def ports(self, name: str) -> list[int]:
        """The ports at which others reach a service, and that of its page."""
        published = [int(each.split(":")[-1]) for each in self.services[name].get("ports", ())]
        reached = [way.port for way in self.ways if way.target == name]
        return sorted({*published, *reached})

    def _networks(self, name: str) -> set[str]:
        return set(self.services[name].get("networks", ()))

    def _targets(self, job: Object) -> list[tuple[str, int]]:
        files = [file for sd in job.get("file_sd_configs", ()) for file in sd["files"]]
        read = [each for file in files for each in self.read(f"prometheus/{file}")]
        configs = [*job.get("static_configs", ()), *read]
        return [_address(target) for config in configs for target in config["targets"]]


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)
