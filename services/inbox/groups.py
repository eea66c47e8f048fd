"""Alerts that fire, grouped as Alertmanager grouped them, the gravest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.inbox.view import NAMELESS, Card, card, cut, rank, short_id

GROUPS_ON_PAGE = 40
OPEN_ALERTS = 15
ALERTS_IN_GROUP = 5
ALERTS_ON_PAGE = 50

Alerts = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Group:
    """One group of alerts.

    Args:
        id: what `?group=` knows it by.
        name: the alerts' name, when they are grouped by it.
        labels: what else they are grouped by.
        severities: how many alerts there are of each, the gravest first.
        total: how many alerts it has.
        cards: those that are shown.
        open: whether they are seen without a click.
        since: when the alert that fires longest began.
        left_out: how many more Alertmanager has that it did not send.
    """

    id: str
    name: str
    labels: list[tuple[str, str]]
    severities: list[tuple[str, int]]
    total: int
    cards: list[Card]
    open: bool
    since: str
    left_out: int


@dataclass(frozen=True, slots=True)
class Part:
    """What of a long list is on one page; `page` counts from 1."""

    groups: list[Group]
    page: int
    pages: int


def grouped(
    alerts: Alerts,
    jaeger_url: str | None,
    *,
    page: int = 1,
    only: str | None = None,
    left_out: Mapping[str, int] | None = None,
) -> Part:
    """Group alerts, and show a part of them.

    Args:
        alerts: those that fire, as the store returns them.
        jaeger_url: where traces are shown.
        page: which part, from 1; past the last it is the last.
        only: the id of the one group to show, with all of its alerts.
        left_out: how many more Alertmanager has of a group, by its key.
    """
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for alert in alerts:
        by_key.setdefault(short_id(alert["group_key"]), []).append(alert)
    if only is not None:
        members = _gravest_first(by_key.get(only, []))
        here, page, pages = _part(members, page, ALERTS_ON_PAGE)
        groups = [_group(only, members, here, jaeger_url, left_out or {})] if members else []
        return Part(groups, page, pages)
    ordered = [(key, _gravest_first(members)) for key, members in by_key.items()]
    ordered.sort(key=lambda item: item[1][0]["starts_at"], reverse=True)
    ordered.sort(key=lambda item: rank(_severity(item[1][0])))
    shown, page, pages = _part(ordered, page, GROUPS_ON_PAGE)
    groups, seen = [], 0
    for key, members in shown:
        here = members[:ALERTS_IN_GROUP]
        seen += len(here)
        groups.append(
            _group(key, members, here, jaeger_url, left_out or {}, is_open=seen <= OPEN_ALERTS)
        )
    return Part(groups, page, pages)


def severities(alerts: Alerts) -> list[tuple[str, int]]:
    """Count alerts by severity, the gravest first."""
    counted = Counter(_severity(alert) for alert in alerts)
    return sorted(counted.items(), key=lambda item: (rank(item[0]), item[0]))


def pages_of(total: int, on_page: int) -> int:
    """Return how many pages a list has; an empty one has one."""
    return max(1, -(-total // on_page))


def _part(items: list[Any], page: int, on_page: int) -> tuple[list[Any], int, int]:
    pages = pages_of(len(items), on_page)
    page = min(page, pages)
    return items[(page - 1) * on_page : page * on_page], page, pages


def _group(
    key: str,
    members: Alerts,
    shown: Alerts,
    jaeger_url: str | None,
    left_out: Mapping[str, int],
    *,
    is_open: bool = True,
) -> Group:
    labels = dict(members[0]["group_labels"])
    names = {alert["labels"].get("alertname") or NAMELESS for alert in members}
    name = labels.pop("alertname", "") or (names.pop() if len(names) == 1 else "Several alerts")
    return Group(
        id=key,
        name=cut(name, 200),
        labels=[(cut(label, 80), cut(value, 80)) for label, value in sorted(labels.items())][:8],
        severities=severities(members),
        total=len(members),
        cards=[card(alert, jaeger_url) for alert in shown],
        open=is_open,
        since=min(alert["starts_at"] for alert in members),
        left_out=left_out.get(members[0]["group_key"], 0),
    )


def _gravest_first(members: Alerts) -> list[Mapping[str, Any]]:
    """Sort by severity; what began last comes first of those that are equally grave."""
    newest_first = sorted(members, key=lambda alert: alert["starts_at"], reverse=True)
    return sorted(newest_first, key=lambda alert: rank(_severity(alert)))


def _severity(alert: Mapping[str, Any]) -> str:
    severity: str = alert["labels"].get("severity", "")
    return severity
