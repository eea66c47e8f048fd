"""What a service has counted, as its own `/metrics` says: of all of its workers together."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack.errors import OpsError
from stack.ops.components import Plan

TRANSITIONS = "circuit_breaker_transitions_total"
BREAKER_CALLS = "circuit_breaker_calls_total"
REQUESTS = "http_server_request_duration_seconds_count"
ANSWERS = "gateway_answers_total"


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading: each series with its labels and its value."""

    samples: tuple[tuple[str, dict[str, str], float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Counts:
        """Read Prometheus's text format.

        Raises:
            ValueError: it is none.
        """
        return cls(
            tuple(
                (sample.name, dict(sample.labels), float(sample.value))
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            )
        )

    def total(self, name: str, **labels: str) -> float:
        """Add up the series of that name which have these labels."""
        return sum(
            value
            for found, having, value in self.samples
            if found == name and labels.items() <= having.items()
        )


class Reader:
    """Reads the services' `/metrics`.

    Args:
        plan: what runs.
        http: the connections that are used.
    """

    def __init__(self, plan: Plan, http: httpx.Client) -> None:
        self._plan = plan
        self._http = http
        token = (plan.secrets / "metrics_token").read_text(encoding="ascii").strip()
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/plain"}

    def __call__(self, service: str) -> Counts:
        """Return what a service has counted since it started.

        Raises:
            OpsError: it does not say.
        """
        url = self._plan.url(f"{service.upper()}_PORT", "/metrics")
        try:
            answer = self._http.get(url, headers=self._headers).raise_for_status()
            return Counts.parse(answer.text)
        except (httpx.HTTPError, ValueError) as error:
            raise OpsError(f"{url} does not answer ({error}); see `make status`") from error
