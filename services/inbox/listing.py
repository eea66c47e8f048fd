"""What the inbox' first page lists: what fires, and what was resolved of late."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.inbox.groups import Group, Part, grouped, pages_of, severities
from services.inbox.keeping import MAX_ALERTS
from services.inbox.query import Query
from services.inbox.store import WATCHDOG, Store
from services.inbox.view import Card, card

RECENTLY_RESOLVED = 10
RESOLVED_ON_PAGE = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list.

    Args:
        firing_total: how many alerts fire, whatever is asked for.
        firing_severities: how many of each severity.
        matching_total: how many of them are asked for.
        groups: those of them that are on this page.
        resolved: the resolved alerts on this page.
        resolved_total: how many resolved alerts are asked for.
        page: which page this is, from 1.
        pages: how many there are.
    """

    firing_total: int
    firing_severities: list[tuple[str, int]]
    matching_total: int
    groups: list[Group]
    resolved: list[Card]
    resolved_total: int
    page: int
    pages: int


def listing(
    store: Store, query: Query, jaeger_url: str | None, *, page: int = 1, group: str | None = None
) -> Listing:
    """List alerts.

    Args:
        store: where they are kept.
        query: which are asked for.
        jaeger_url: where traces are shown; None for no links to them.
        page: which page, from 1; past the last it is the last.
        group: the id of the only group to show.

    Raises:
        StoreError: the database cannot be read.
    """
    # The alert that always fires has a place of its own.
    everything = Query(status="firing", but=WATCHDOG)
    asked = replace(query, status="firing", but=WATCHDOG)
    firing = store.alerts(everything, MAX_ALERTS)
    matching = firing if asked == everything else store.alerts(asked, MAX_ALERTS)
    over = replace(asked, status="resolved")
    resolved_total = store.count(over)
    if query.status == "resolved":
        on_page, pages = RESOLVED_ON_PAGE, pages_of(resolved_total, RESOLVED_ON_PAGE)
        part = Part([], min(page, pages), pages)
        skipped = (part.page - 1) * on_page
    else:
        part = grouped(matching, jaeger_url, page=page, only=group, left_out=store.left_out())
        on_page, skipped = RECENTLY_RESOLVED, 0
    hidden = query.status == "firing" or group is not None
    resolved = [] if hidden else store.alerts(over, on_page, skipped)
    return Listing(
        firing_total=len(firing),
        firing_severities=severities(firing),
        matching_total=len(matching),
        groups=part.groups,
        resolved=[card(alert, jaeger_url) for alert in resolved],
        resolved_total=resolved_total,
        page=part.page,
        pages=part.pages,
    )
