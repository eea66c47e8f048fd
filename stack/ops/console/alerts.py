"""What is pending or fires, as Prometheus has it, and what Alertmanager keeps quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from stack.ops.console.prometheus import Prometheus

TIMEOUT = 5.0
_SEVERITIES = ("page", "ticket", "info")
# It says by firing that alerts arrive.
_WATCHDOG = "Watchdog"


def pending_or_firing(prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return the alerts, the most urgent first, and of those the oldest; the Watchdog is none.

    Raises:
        PrometheusError: it does not answer.
    """
    found = [each for each in prometheus.alerts() if each["labels"]["alertname"] != _WATCHDOG]
    for each in found:
        each["since"] = datetime.fromisoformat(each["activeAt"])
    found.sort(key=lambda each: (each["state"], _urgency(each["labels"]), each["since"]))
    return found


class Alertmanager:
    """Knows what is silenced or inhibited. Thread-safe.

    Args:
        url: without a slash at the end.
        transport: what carries the requests, for tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT, transport=transport, trust_env=False
        )

    def quiet(self, alerts: Sequence[dict[str, Any]]) -> str:
        """Mark each alert that nobody is told of with `quiet`, the reason.

        Returns:
            Why it could not be asked; nothing if it could.
        """
        try:
            known = self._http.get("/api/v2/alerts").raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            return f"{self.url} does not answer: {str(error) or type(error).__name__}"
        for alert in alerts:
            states = [
                each["status"]
                for each in known
                if alert["labels"].items() <= each["labels"].items()
                and each["status"]["state"] == "suppressed"
            ]
            alert["quiet"] = _reason(states[0]) if states else ""
        return ""


def _reason(status: Mapping[str, Any]) -> str:
    if status.get("silencedBy"):
        return "silenced"
    return "inhibited by another" if status.get("inhibitedBy") else "muted at this hour"


def _urgency(labels: Mapping[str, str]) -> int:
    severity = labels.get("severity", "")
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
