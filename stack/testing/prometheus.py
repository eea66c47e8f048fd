"""Prometheus for a test: it scrapes, evaluates rules and is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from stack.testing.server import ServerContainer, contents
from stack.testing.waiting import Answering

_FOLDER = "/prometheus"


class PrometheusContainer(ServerContainer):
    """A Prometheus that keeps exemplars, and forgets all when it is stopped.

    It takes up to five seconds to begin with its targets. Each `with_…` returns the container.

    with PrometheusContainer().with_scrape_target(f"{HOST}:8000") as prometheus:
        eventually(lambda: prometheus.query("up == 1"), "the service is scraped")

    Args:
        image: which one; if not given, what `PROMETHEUS_IMAGE` names, else the official one.
        interval: seconds between two scrapes of a target, and two evaluations of a rule.
        options: those of `DockerContainer`.
    """

    IMAGE = "prom/prometheus:v3.15.0"
    IMAGE_VARIABLE = "PROMETHEUS_IMAGE"
    PORT = 9090

    def __init__(self, image: str | None = None, *, interval: float = 1.0, **options: Any) -> None:
        super().__init__(image, Answering(self.PORT, "/-/ready"), **options)
        self._every = f"{round(interval * 1000)}ms"
        self._targets: list[dict[str, Any]] = []
        self._alertmanagers: list[str] = []
        self._rules: list[bytes] = []
        self._config: bytes | None = None
        self.with_command(
            [
                f"--config.file={_FOLDER}/prometheus.yml",
                f"--storage.tsdb.path={_FOLDER}/data",
                "--enable-feature=exemplar-storage",
                "--rules.alert.resend-delay=5s",
            ]
        )

    def with_scrape_target(
        self, address: str, labels: Mapping[str, str] | None = None, *, path: str = "/metrics"
    ) -> Self:
        """Scrape a service.

        Args:
            address: host and port as the container reaches them: `f"{HOST}:{port}"` for a service
                on the test's machine, a container's alias and port in a network.
            labels: of all its series; `job` is `test` if it is not among them.
            path: where its metrics are.
        """
        described = {"__metrics_path__": path, **(labels or {})}
        self._targets.append({"targets": [address], "labels": described})
        return self

    def with_alertmanager(self, address: str) -> Self:
        """Send alerts there: host and port as the container reaches them."""
        self._alertmanagers.append(address)
        return self

    def with_rules(self, rules: str | Path) -> Self:
        """Evaluate the rules of a file, given as its text or path; more with each call.

        They lie in `/prometheus/rules-*.yml`, which a configuration of your own has to name.

        Raises:
            OSError: the file cannot be read.
        """
        self._rules.append(contents(rules))
        return self

    def with_config(self, config: str | Path) -> Self:
        """Use a whole configuration, given as its text or path.

        It stands in place of what the targets, the Alertmanagers and `interval` come to.

        Raises:
            OSError: the file cannot be read.
        """
        self._config = contents(config)
        return self

    def query(self, expression: str) -> list[Any]:
        """Evaluate PromQL now.

        Returns:
            Prometheus' own result; of a vector, `{"metric": …, "value": [seconds, text]}` for
            each series.

        Raises:
            httpx.HTTPStatusError: it refuses the expression; the message has its reason.
        """
        answer = self._ask("GET", "/api/v1/query", params={"query": expression}).json()
        result: list[Any] = answer["data"]["result"]
        return result

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """List the exemplars of the last hour.

        Args:
            expression: selects their series; of a histogram, those that end in `_bucket`.

        Returns:
            Each with its `labels` (`trace_id` …), `value`, `timestamp` in seconds, and the
            labels of its `series`.

        Raises:
            httpx.HTTPStatusError: it refuses the expression; the message has its reason.
        """
        now = time.time()
        asked = {"query": expression, "start": now - 3600, "end": now + 60}
        answer = self._ask("GET", "/api/v1/query_exemplars", params=asked).json()
        return [
            {**exemplar, "series": each["seriesLabels"]}
            for each in answer["data"]
            for exemplar in each["exemplars"]
        ]

    def _configure(self) -> None:
        super()._configure()
        config = self._config or self._composed().encode()
        self.with_copy_into_container(config, f"{_FOLDER}/prometheus.yml")
        for number, rules in enumerate(self._rules):
            self.with_copy_into_container(rules, f"{_FOLDER}/rules-{number}.yml")

    def _composed(self) -> str:
        # JSON is YAML.
        return json.dumps(
            {
                "global": {
                    "scrape_interval": self._every,
                    "scrape_timeout": self._every,
                    "evaluation_interval": self._every,
                },
                "rule_files": [f"{_FOLDER}/rules-*.yml"],
                "scrape_configs": [{"job_name": "test", "static_configs": self._targets}],
                "alerting": {
                    "alertmanagers": [{"static_configs": [{"targets": self._alertmanagers}]}]
                },
            }
        )
