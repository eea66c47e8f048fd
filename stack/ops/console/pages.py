"""The pages: a dashboard, and what is pending or fires."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from werkzeug.wrappers import Response as Redirect

from stack.ops.console.alerts import Alertmanager, pending_or_firing
from stack.ops.console.asking import Asking
from stack.ops.console.dashboard import (
    HOME,
    Dashboard,
    InvalidDashboardError,
    read_dashboards,
)
from stack.ops.console.prometheus import Prometheus
from stack.ops.console.settings import Settings
from stack.ops.console.timerange import CHOICES, TimeRange
from stack.ops.console.variables import linked, read_variables
from stack.ops.console.views import Page, view

REFRESH_SECONDS = 10
_COLUMNS, _ROWS, _LONGEST = 24, 200, 30


def pages(settings: Settings, prometheus: Prometheus, alertmanager: Alertmanager) -> Blueprint:
    """Make the pages.

    Args:
        settings: where the dashboards are.
        prometheus: what they ask.
        alertmanager: knows what is silenced.
    """
    site = Blueprint("pages", __name__)
    asking = Asking(prometheus)

    def known_boards() -> tuple[dict[str, Dashboard], list[InvalidDashboardError]]:
        """Read the files once for a page: for what it shows, and for what it leads to."""
        if "boards" not in g:
            g.boards = read_dashboards(settings.dashboards)
        found: tuple[dict[str, Dashboard], list[InvalidDashboardError]] = g.boards
        return found

    @site.app_context_processor
    def leads_to() -> dict[str, object]:
        return {"boards": known_boards()[0].values()}

    @site.get("/")
    def home() -> Redirect:
        return redirect(f"/d/{HOME}")

    @site.get("/d/<uid>")
    @site.get("/d/<uid>/<_slug>")
    def dashboard(uid: str, _slug: str = "") -> str:
        boards, wrong = known_boards()
        if uid not in boards:
            if wrong:
                raise wrong[0]
            abort(404, f"There is no dashboard {uid!r}; there are {', '.join(boards)}.")
        board = boards[uid]
        shown = _time(board, settings)
        asked = {
            name.removeprefix("var-"): request.args.getlist(name)
            for name in request.args
            if name.startswith("var-")
        }
        variables = read_variables(board.variables, asked, prometheus, shown)
        answers, marks = asking.all(board, variables, shown)
        listed = any(panel.kind == "alertlist" for panel in board.panels)
        known = {each.name: each.text for each in variables} | shown.globals()
        page = Page(known, tuple(boards.values()), pending_or_firing(prometheus) if listed else ())
        return render_template(
            "dashboard.html",
            board=board,
            variables=[each for each in variables if not each.hidden],
            chosen="".join(each.address for each in variables),
            time=shown,
            choices=CHOICES,
            links=[{**each} | {"url": linked(each["url"], known)} for each in board.links],
            views=[view(answer, page) for answer in answers],
            marks=marks,
            refresh=REFRESH_SECONDS,
            now=time.time(),
        )

    @site.get("/alerts")
    def alerts() -> str:
        found = pending_or_firing(prometheus)
        return render_template(
            "alerts.html",
            alerts=found,
            unknown=alertmanager.quiet(found),
            refresh=REFRESH_SECONDS,
            now=time.time(),
        )

    @site.get("/grid.css")
    def grid() -> Response:
        return Response(
            "\n".join(_grid()), mimetype="text/css", headers={"Cache-Control": "max-age=86400"}
        )

    return site


def _time(board: Dashboard, settings: Settings) -> TimeRange:
    since, until = request.args.get("from") or board.since, request.args.get("to") or "now"
    return TimeRange.parse(since, until, time.time(), settings.scrape_interval)


def _grid() -> Iterable[str]:
    """Place panels by classes: a style of their own they may not have under the policy."""
    yield from (f".x{at} {{ --x: {at + 1}; }}" for at in range(_COLUMNS))
    yield from (f".w{size} {{ --w: {size}; }}" for size in range(1, _COLUMNS + 1))
    yield from (f".y{at} {{ --y: {at + 1}; }}" for at in range(_ROWS))
    yield from (f".h{size} {{ --h: {size}; }}" for size in range(1, _LONGEST + 1))
    yield from (f".n{length} {{ --n: {length}; }}" for length in range(1, _LONGEST + 1))
