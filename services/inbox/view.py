"""What the page shows of an alert, and of the path of alerts as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.inbox.payload import utc
from services.inbox.store import WATCHDOG

_SEVERITIES = ("page", "ticket", "info")


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Whether the path of alerts works: ok, silent or never; seconds."""

    state: str
    last_seen: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Card:
    """An alert as a person sees it."""

    name: str
    status: str
    severity: str
    subject: str
    summary: str
    description: str
    starts_at: str
    ends_at: str | None
    delay: str
    deliveries: int
    labels: list[tuple[str, str]]
    links: list[tuple[str, str]]


def watchdog(last_seen: float | None, timeout: float, now: float) -> Watchdog:
    """Tell whether the Watchdog has been heard of within `timeout` seconds."""
    if last_seen is None:
        return Watchdog("never", None, timeout)
    state = "ok" if now - last_seen <= timeout else "silent"
    return Watchdog(state, utc(last_seen), timeout)


def cards(alerts: Sequence[Mapping[str, Any]], jaeger_url: str | None) -> list[Card]:
    """Make a card of each alert but the Watchdog, which has a place of its own."""
    shown = [a for a in alerts if a["labels"]["alertname"] != WATCHDOG]
    made = [_card(alert, jaeger_url) for alert in shown]
    return sorted(made, key=lambda c: (c.status != "firing", _rank(c.severity)))


def _card(alert: Mapping[str, Any], jaeger_url: str | None) -> Card:
    labels, annotations = alert["labels"], alert["annotations"]
    parts = [labels[name] for name in ("service", "component") if labels.get(name)]
    shown_elsewhere = {"alertname", "severity", "service", "component"}
    return Card(
        name=labels["alertname"],
        status=alert["status"],
        severity=labels.get("severity", ""),
        subject=" → ".join(parts),
        summary=annotations.get("summary", ""),
        description=annotations.get("description", ""),
        starts_at=alert["starts_at"],
        ends_at=alert["ends_at"],
        delay=_shown(alert["delivery_delay_seconds"]),
        deliveries=alert["deliveries"],
        labels=sorted((k, v) for k, v in labels.items() if k not in shown_elsewhere),
        links=list(_links(alert, jaeger_url)),
    )


def _links(alert: Mapping[str, Any], jaeger_url: str | None) -> Sequence[tuple[str, str]]:
    """List the links of an alert; only web addresses are links."""
    annotations, service = alert["annotations"], alert["labels"].get("service")
    found = [
        ("Runbook", annotations.get("runbook_url", "")),
        ("Dashboard", annotations.get("dashboard_url", "")),
        ("Query", alert["generator_url"]),
    ]
    if jaeger_url and service:
        wanted = urlencode({"service": service, "tags": '{"error":"true"}', "limit": 20})
        found.insert(2, ("Failed traces", f"{jaeger_url}/search?{wanted}"))
    return [(text, url) for text, url in found if url.startswith(("http://", "https://"))]


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _shown(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
