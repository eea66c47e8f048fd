"""What a page shows of one alert."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.inbox.links import links, silence_command, silence_link
from services.inbox.times import duration, seconds

SEVERITIES = ("page", "ticket", "info")
NAMELESS = "An alert without a name"
# A list stays light whatever came in; the alert's own page shows all of it.
_LIST_TEXT = 400
_LIST_LABELS = 8
_LIST_LABEL = 80
_LIST_COMMAND = 1_500


@dataclass(frozen=True, slots=True)
class Card:
    """An alert as a person sees it; moments are RFC 3339, durations are words."""

    id: str
    fingerprint: str
    name: str
    status: str
    severity: str
    subject: str
    summary: str
    description: str
    value: str
    starts_at: str
    ends_at: str | None
    lasted: str | None
    delay: str
    resolve_delay: str | None
    deliveries: int
    updated_at: str
    labels: list[tuple[str, str]]
    links: list[tuple[str, str]]
    silence_link: str | None
    silence_command: str | None


def card(alert: Mapping[str, Any], jaeger_url: str | None, *, whole: bool = False) -> Card:
    """Show an alert.

    Args:
        alert: as the store returns it.
        jaeger_url: where its traces are shown; None for no link to them.
        whole: with all of its labels and text, however long.
    """
    labels, annotations = alert["labels"], alert["annotations"]
    command = silence_command(alert)
    ends_at, resolve_delay = alert["ends_at"], alert["resolve_delay_seconds"]
    length = None if whole else _LIST_TEXT
    subject = [labels[name] for name in ("service", "component", "slo") if labels.get(name)]
    return Card(
        id=f"a{short_id(alert['fingerprint'], alert['starts_at'])}",
        fingerprint=alert["fingerprint"],
        name=cut(labels.get("alertname") or NAMELESS, length),
        status=alert["status"],
        severity=cut(labels.get("severity", ""), 20),
        subject=cut(" · ".join(subject), length),
        summary=cut(annotations.get("summary", ""), length),
        description=cut(annotations.get("description", ""), length),
        value=cut(annotations.get("value", ""), _LIST_LABEL),
        starts_at=alert["starts_at"],
        ends_at=ends_at,
        lasted=duration(max(0.0, seconds(ends_at) - seconds(alert["starts_at"])))
        if ends_at
        else None,
        delay=duration(alert["delivery_delay_seconds"]),
        resolve_delay=None if resolve_delay is None else duration(resolve_delay),
        deliveries=alert["deliveries"],
        updated_at=alert["updated_at"],
        labels=sorted(labels.items()) if whole else _labels(labels, alert["group_labels"]),
        links=links(alert, jaeger_url),
        silence_link=silence_link(alert),
        silence_command=command if whole or len(command) <= _LIST_COMMAND else None,
    )


def rank(severity: str) -> int:
    """Return the place of a severity: the gravest is 0, an unknown one the last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def short_id(*parts: str) -> str:
    """Return a name for an element or address, the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def cut(text: str, length: int | None) -> str:
    """Return a text of at most `length` characters; None for all of it."""
    return text if length is None or len(text) <= length else f"{text[: length - 1]}…"


def _labels(labels: Mapping[str, str], group_labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """List what tells alerts of one group apart."""
    shown_elsewhere = {"alertname", "severity", *group_labels}
    found = [
        (cut(name, _LIST_LABEL), cut(value, _LIST_LABEL))
        for name, value in sorted(labels.items())
        if name not in shown_elsewhere
    ]
    return found[:_LIST_LABELS]
