"""Alertmanager for a test: it takes alerts and says which it has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from stack.testing.server import ServerContainer, contents
from stack.testing.waiting import Answering

_FOLDER = "/alertmanager"
# Every alert is a group of its own, and nobody is told. JSON is YAML.
_KEEPS_ALL = json.dumps(
    {
        "route": {"receiver": "nobody", "group_by": ["..."], "group_wait": "0s"},
        "receivers": [{"name": "nobody"}],
    }
)


class AlertmanagerContainer(ServerContainer):
    """An Alertmanager that takes every alert and notifies nobody until it is configured.

    with AlertmanagerContainer() as alertmanager:
        alertmanager.post_alerts([{"labels": {"alertname": "DiskFull"}}])
        assert alertmanager.alerts('alertname="DiskFull"')

    Args:
        image: which one; if not given, what `ALERTMANAGER_IMAGE` names, else the official one.
        options: those of `DockerContainer`.
    """

    IMAGE = "prom/alertmanager:v0.34.0"
    IMAGE_VARIABLE = "ALERTMANAGER_IMAGE"
    PORT = 9093

    def __init__(self, image: str | None = None, **options: Any) -> None:
        super().__init__(image, Answering(self.PORT, "/-/ready"), **options)
        self._config = contents(_KEEPS_ALL)
        self.with_command(
            [
                f"--config.file={_FOLDER}/alertmanager.yml",
                f"--storage.path={_FOLDER}/data",
                "--enable-feature=utf8-strict-mode",
                "--cluster.listen-address=",
            ]
        )

    def with_config(self, config: str | Path) -> Self:
        """Use a configuration, given as its text or path.

        Files that it names go beside it:
        `.with_copy_into_container(Path("page.tmpl"), "/alertmanager/page.tmpl")`.

        Returns:
            This container.

        Raises:
            OSError: the file cannot be read.
        """
        self._config = contents(config)
        return self

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """List the alerts that it has, silenced and inhibited ones, too; resolved ones are gone.

        Args:
            matchers: each as `alertname="DiskFull"` or `severity=~"page|ticket"`; all have to fit.

        Raises:
            httpx.HTTPStatusError: it refuses a matcher; the message has its reason.
        """
        answer = self._ask("GET", "/api/v2/alerts", params={"filter": list(matchers)})
        found: list[dict[str, Any]] = answer.json()
        return found

    def post_alerts(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Send alerts as Prometheus does.

        Args:
            alerts: each with `labels`, and `annotations`, `startsAt`, `endsAt` as it pleases.

        Raises:
            httpx.HTTPStatusError: it refuses one; the message has its reason.
        """
        self._ask("POST", "/api/v2/alerts", json=[dict(alert) for alert in alerts])

    def _configure(self) -> None:
        super()._configure()
        self.with_copy_into_container(self._config, f"{_FOLDER}/alertmanager.yml")
