"""What a panel shows, ready to be written: one function for each of Grafana's types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt

from stack.ops.console import charts
from stack.ops.console.asking import Answer, Course
from stack.ops.console.dashboard import Dashboard, Panel
from stack.ops.console.prometheus import Series
from stack.ops.console.values import colour, ground, plain, written
from stack.ops.console.variables import filled, linked

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
# Its rules are compiled at first use, which threads may not do at once.
_markdown.render("")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Page:
    """What panels need to know beside their answers.

    Args:
        known: what all variables are to a reader.
        boards: all dashboards.
        alerts: what is pending or fires.
    """

    known: Mapping[str, str]
    boards: Sequence[Dashboard]
    alerts: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class View:
    """A panel as its template takes it.

    Args:
        panel: the dashboard's.
        answer: what it got.
        template: its file in `templates/panels`.
        shown: what that file is given.
        problem: why it shows nothing.
        empty: what stands there when there is nothing to show.
    """

    panel: Panel
    answer: Answer
    template: str
    shown: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    empty: str = ""


def view(answer: Answer, page: Page) -> View:
    """Make what is shown of an answer."""
    panel, problem = answer.panel, answer.problem
    if panel.kind not in _KINDS:
        return View(panel, answer, "empty", problem=f"the console draws no {panel.kind!r} panels")
    template, show = _KINDS[panel.kind]
    # What is not known is not said to be nothing.
    if problem and not answer.courses:
        return View(panel, answer, "empty", problem=problem)
    # A tile says itself that there is nothing.
    some = answer.courses or not panel.targets or panel.kind == "stat"
    shown = show(answer, page) if some else {}
    if not shown:
        return View(panel, answer, "empty", problem=problem, empty=written(None, panel.defaults))
    return View(panel, answer, template, shown, problem)


def _tiles(answer: Answer, page: Page) -> dict[str, Any]:
    courses = answer.courses or [Course("", Series({}, ()))]
    tiles = [_tile(answer.panel, course, page) for course in courses]
    # As in Grafana: of one alone the title says what it is.
    return {"tiles": tiles if len(tiles) > 1 else [{**tiles[0], "name": ""}]}


def _tile(panel: Panel, course: Course, page: Page) -> dict[str, Any]:
    fields, series = panel.defaults, course.series
    named = panel.options.get("textMode") == "name" and course.name
    return {
        "name": course.name,
        "text": course.name if named else written(series.last, fields),
        "ground": ground(colour(series.last, fields)),
        "path": _sparkline(series.values) if panel.options.get("graphMode") == "area" else "",
        "link": _link(panel, course, page) if series.values else None,
    }


def _sparkline(values: Sequence[float | None]) -> str:
    """Return an area of 100 by 30 as SVG has it; gaps are bridged."""
    points = [(at, value) for at, value in enumerate(values) if value is not None]
    if len(points) < 2:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    width, height = len(values) - 1, (high - min(low, 0)) or 1
    drawn = [
        f"{100 * at / width:.1f},{30 - 28 * (value - min(low, 0)) / height:.1f}"
        for at, value in points
    ]
    first, last = (100 * points[at][0] / width for at in (0, -1))
    return f"M{first:.1f},30 L{' L'.join(drawn)} L{last:.1f},30 Z"


def _gauges(answer: Answer, page: Page) -> dict[str, Any]:
    return {"gauges": [_gauge(answer.panel, course, page) for course in answer.courses]}


def _gauge(panel: Panel, course: Course, page: Page) -> dict[str, Any]:
    value = course.series.last
    low, high = panel.defaults.get("min") or 0, panel.defaults.get("max")
    length = (1 if high is None else high) - low
    share = 0.0 if value is None else (value - low) / (length or 1)
    return {
        "name": course.name,
        "text": written(value, panel.defaults),
        "share": min(1.0, max(0.0, share)),
        "color": colour(value, panel.defaults),
        "link": _link(panel, course, page),
    }


def _table(answer: Answer, page: Page) -> dict[str, Any]:
    panel = answer.panel
    rows = [{**each.series.labels, "Value": each.series.last} for each in answer.courses]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "__name__"))
    headings = {name: name for name in columns}
    for change in panel.transformations:
        if change["id"] == "organize":
            organized = change["options"]
            excluded = {name for name, out in organized.get("excludeByName", {}).items() if out}
            order = organized.get("indexByName", {})
            columns = [name for name in columns if name not in excluded]
            columns.sort(key=lambda name: order.get(name, len(order)))
            headings |= {k: v for k, v in organized.get("renameByName", {}).items() if v}
    for by in reversed(panel.options.get("sortBy") or ()):
        name = next((n for n in columns if headings[n] == by["displayName"]), "")
        rows.sort(key=lambda row: _order(row.get(name)), reverse=bool(by.get("desc")))
    cells = [[_cell(panel, row, name, headings[name], page) for name in columns] for row in rows]
    return {"headings": [headings[name] for name in columns], "rows": cells}


def _order(value: object) -> tuple[bool, float, str]:
    return (True, value, "") if isinstance(value, float) else (False, 0.0, str(value or ""))


def _cell(
    panel: Panel, row: Mapping[str, Any], name: str, heading: str, page: Page
) -> dict[str, Any]:
    value = row.get(name)
    number = isinstance(value, float)
    fields = {**panel.defaults, **panel.overrides.get(name, {}), **panel.overrides.get(heading, {})}
    text = written(value, fields) if isinstance(value, float) else str(value or "")
    known = {"__value.raw": _raw(value)}
    for key, each in row.items():
        known |= {f"__field.labels.{key}": _raw(each), f"__data.fields.{key}": _raw(each)}
    return {
        "text": text,
        "number": number,
        "color": colour(value, fields) if isinstance(value, float) and _coloured(fields) else "",
        "links": [] if text == "" else _links(fields.get("links") or (), known, page),
    }


def _raw(value: float | str | None) -> str:
    return plain(value) if isinstance(value, float) else value or ""


def _coloured(fields: Mapping[str, Any]) -> bool:
    cell = fields.get("custom.cellOptions") or (fields.get("custom") or {}).get("cellOptions") or {}
    return str(cell.get("type", "")).startswith("color")


def _link(panel: Panel, course: Course, page: Page) -> dict[str, str] | None:
    known = {f"__field.labels.{key}": value for key, value in course.series.labels.items()}
    known |= {"__value.raw": _raw(course.series.last), "__field.name": course.name}
    return next(iter(_links(panel.defaults.get("links") or (), known, page)), None)


def _links(
    listed: Sequence[Mapping[str, Any]], known: Mapping[str, str], page: Page
) -> list[dict[str, str]]:
    values = {**page.known, **known}
    return [{"title": each["title"], "url": linked(each["url"], values)} for each in listed]


def _text(answer: Answer, page: Page) -> dict[str, Any]:
    options = answer.panel.options
    content = filled(str(options.get("content", "")), page.known)
    rendered = _markdown.render(content) if options.get("mode", "markdown") == "markdown" else ""
    return {"html": rendered, "plain": content}


def _boards(answer: Answer, page: Page) -> dict[str, Any]:
    wanted = set(answer.panel.options.get("tags") or ())
    return {"boards": [board for board in page.boards if wanted <= set(board.tags)]}


def _alert_list(answer: Answer, page: Page) -> dict[str, Any]:
    options = answer.panel.options
    matchers = _MATCHER.findall(options.get("alertInstanceLabelFilter") or "")
    states = {name for name, shown in (options.get("stateFilter") or {}).items() if shown}
    found = [
        alert
        for alert in page.alerts
        if alert["state"] in states and all(_matches(alert["labels"], *each) for each in matchers)
    ]
    return {"alerts": found[: int(options.get("maxItems") or 20)]}


def _matches(labels: Mapping[str, str], name: str, operator: str, value: str) -> bool:
    found = labels.get(name, "")
    equal = bool(re.fullmatch(value, found)) if "~" in operator else found == value
    return equal != operator.startswith("!")


def _lines(answer: Answer, page: Page) -> dict[str, Any]:
    found = charts.lines(answer)
    for entry, course in zip(found["legend"], answer.courses, strict=True):
        entry["link"] = _link(answer.panel, course, page)
    return found


_KINDS: Mapping[str, tuple[str, Callable[[Answer, Page], dict[str, Any]]]] = {
    "stat": ("stat", _tiles),
    "gauge": ("gauge", _gauges),
    "bargauge": ("bargauge", _gauges),
    "table": ("table", _table),
    "text": ("text", _text),
    "dashlist": ("dashlist", _boards),
    "alertlist": ("alertlist", _alert_list),
    "timeseries": ("chart", _lines),
    "state-timeline": ("chart", lambda answer, _: charts.states(answer)),
    "heatmap": ("chart", lambda answer, _: charts.spread(answer)),
}
