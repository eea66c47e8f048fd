"""The inbox as a person reads it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, abort, make_response, render_template, request

from services.inbox import asking
from services.inbox.api import WEEK, unknown
from services.inbox.keeping import MAX_ALERTS
from services.inbox.listing import listing
from services.inbox.outage import Outage
from services.inbox.payload import utc
from services.inbox.query import Query
from services.inbox.runbooks import INDEX, Runbooks
from services.inbox.store import WATCHDOG, Store
from services.inbox.times import ago, duration, exact, seconds
from services.inbox.view import SEVERITIES, card, short_id
from services.inbox.watchdog import Watchdog

# Seconds; Alertmanager repeats what fires every ten minutes. What ends while it is silenced or
# inhibited is never told as ended.
HEARD_WITHIN = 1_500.0
_PARAMETERS = ("status", "alertname", "severity", "service", "text", "group", "page")


class Pages:
    """Makes the pages.

    Args:
        store: where alerts are kept.
        heard: says whether the path of alerts works.
        outage: whether what arrives can be stored.
        runbooks_dir: where `<Alert>.md` are.
        jaeger_url: where traces are shown; None for no links to them.
    """

    def __init__(
        self,
        store: Store,
        heard: Callable[[], Watchdog],
        outage: Outage,
        *,
        runbooks_dir: Path,
        jaeger_url: str | None,
    ) -> None:
        self._store = store
        self._heard = heard
        self._outage = outage
        self._runbooks = Runbooks(runbooks_dir)
        self._jaeger_url = jaeger_url
        # Another version of the templates is another page.
        self._edition = secrets.token_hex(4)

    def add_to(self, app: Flask) -> None:
        """Add the addresses of the pages."""
        app.add_template_filter(exact)
        app.add_template_global(lambda moment: ago(moment, time.time()), "ago")
        app.add_template_global(lambda: exact(utc(time.time())), "now")
        app.add_template_global(lambda moment: duration(time.time() - seconds(moment)), "since")
        app.add_template_global(
            lambda moment: time.time() - seconds(moment) > HEARD_WITHIN, "unheard"
        )
        app.add_url_rule("/", view_func=self.index)
        app.add_url_rule("/alerts/<fingerprint>", view_func=self.history)
        app.add_url_rule("/runbooks/", view_func=self.runbook)
        app.add_url_rule("/runbooks/<name>", view_func=self.runbook)

    def index(self) -> Response:
        """Show what fires, and what was resolved of late; 304 when nothing has changed."""
        heard, failure = self._heard(), self._outage.check()
        state = (self._edition, str(self._store.version()), heard.state, failure or "")
        etag = short_id(*state, request.full_path)
        if request.if_none_match.contains(etag):
            response = Response(status=304)
        else:
            response = make_response(self._index(heard, failure))
        response.set_etag(etag)
        response.headers["Cache-Control"] = "no-cache"
        return response

    def _index(self, heard: Watchdog, failure: str | None) -> str:
        query, group = asking.query(), request.args.get("group") or None
        page = asking.number("page", 1, MAX_ALERTS)
        found = listing(self._store, query, self._jaeger_url, page=page, group=group)
        return render_template(
            "inbox.html",
            found=found,
            firing_total=found.firing_total,
            watchdog=heard,
            failure=failure,
            query=query,
            group=group,
            filtered=group is not None or replace(query, status=None) != Query(),
            severities=[*SEVERITIES, *sorted({*self._store.values("severity")} - {*SEVERITIES})],
            services=self._store.values("service"),
            address=_address,
        )

    def history(self, fingerprint: str) -> str:
        """Show each time that an alert was there."""
        occurrences = self._store.occurrences(fingerprint)
        if not occurrences:
            abort(404, unknown(fingerprint))
        shown = [card(each, self._jaeger_url, whole=True) for each in occurrences]
        return render_template(
            "alert.html",
            alert=shown[0],
            history=list(zip(shown, (each["transitions"] for each in occurrences), strict=True)),
            fired=self._store.fired_since(fingerprint, time.time() - WEEK),
            firing_total=self._store.count(Query(status="firing", but=WATCHDOG)),
        )

    def runbook(self, name: str = INDEX) -> str:
        """Show a runbook, or the list of them."""
        found = self._runbooks.get(name)
        if found is None:
            abort(404, f"there is no runbook {name[:100]!r}; there are {self._runbooks.names()}")
        return render_template("runbook.html", runbook=found, of_one=name != INDEX)


def _address(**changes: object) -> str:
    """Return this page's address with other parameters; None leaves one out."""
    asked = {**{name: request.args.get(name) for name in _PARAMETERS}, **changes}
    return f"/?{urlencode({name: value for name, value in asked.items() if value})}"
