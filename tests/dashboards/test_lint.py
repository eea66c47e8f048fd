"""What can be said of a dashboard without Grafana: it is whole, legible, and asks rightly."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from stack.ops.dashboards import files
from stack.ops.dashboards.board import SCHEMA, WIDTH
from stack.ops.ports import DEFAULTS
from tests.dashboards.boards import (
    ROOT,
    Json,
    Query,
    boards,
    links,
    named,
    panels,
    queries,
    texts,
    variables,
)
from tests.rules.contracts import known_series, rules, unknown_in
from tests.rules.promql import Kind, groupings, parts, selectors

BOARDS = [pytest.param(board, id=name) for name, board in boards().items()]
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['id']}-{panel['title']}")
    for name, board in boards().items()
    for panel in panels(board)
]
QUERIES = [pytest.param(query, id=query.name) for query in queries()]
KNOWN = known_series(rule for _, rule in rules())
# All of them are part of Grafana 10 and newer.
TYPES = {
    "alertlist",
    "bargauge",
    "dashlist",
    "gauge",
    "heatmap",
    "stat",
    "state-timeline",
    "table",
    "text",
    "timeseries",
}
# These ask Prometheus nothing.
ASKING_NOTHING = {"alertlist", "dashlist", "text"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What a screen of 1080 lines shows: 24 units of 38 pixels.
SCREEN = 24
WORDS = {
    **{f"{minutes}m": f"{minutes} minutes" for minutes in (2, 5, 10, 15)},
    **{"1m": "minute", "1h": "hour"},
}


def test_the_files_are_those_that_the_code_gives() -> None:
    """None is edited by hand, missing or left over; the same text each time."""
    assert files.drift(ROOT) == []
    assert files.expected(ROOT) == files.expected(ROOT)


def test_a_change_by_hand_is_found(tmp_path: Any) -> None:
    """A file that differs, one that is missing, and one that no code gives."""
    rules_there = tmp_path / "prometheus" / "rules"
    rules_there.parent.mkdir()
    rules_there.symlink_to(ROOT / "prometheus" / "rules")
    first, second, *_ = files.write(tmp_path)
    (tmp_path / first).write_text("{}\n")
    (tmp_path / second).unlink()
    (tmp_path / files.FOLDER / "mine.json").write_text("{}\n")
    assert files.drift(tmp_path) == [
        "grafana/dashboards/mine.json: no code gives it; delete it",
        f"{first}: is not what the code gives",
        f"{second}: is missing",
    ]


def test_the_seven_dashboards_are_there() -> None:
    """Each has a uid of its own that tells what it is."""
    assert {board["uid"] for board in boards().values()} == {f"stack-{name}" for name in boards()}
    assert set(boards()) == {
        "overview",
        "service",
        "dependencies",
        "llm",
        "slo",
        "alerts",
        "telemetry",
    }


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_says_what_it_answers_and_who_made_it(board: Json) -> None:
    """A question, and that editing is in vain; a model that Grafana 10 reads."""
    assert "?" in board["description"]
    assert board["description"].endswith("do not edit.")
    assert board["schemaVersion"] == SCHEMA
    assert board["tags"] == ["stack"]
    assert board["graphTooltip"] == 1
    assert "id" not in board or board["id"] is None


@pytest.mark.parametrize("board", BOARDS)
def test_panels_lie_side_by_side(board: Json) -> None:
    """Each has an id of its own, none lies on another, and every line is filled."""
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    boxes = [panel["gridPos"] for panel in board["panels"]]
    for one, other in combinations(boxes, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    for y in {box["y"] for box in boxes}:
        assert sum(box["w"] for box in boxes if box["y"] == y) == WIDTH


@pytest.mark.parametrize("board", BOARDS)
def test_a_screen_has_no_more_than_a_person_takes_in(board: Json) -> None:
    """At most 12 panels begin on any screen."""
    tops = sorted(panel["gridPos"]["y"] for panel in panels(board))
    for top in tops:
        assert sum(top <= each < top + SCREEN for each in tops) <= 12


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_can_be_read(panel: Json) -> None:
    """Title, description, and for numbers a unit, decimals, and words for nothing."""
    assert panel["type"] in TYPES
    assert panel["title"]
    assert panel["description"].endswith(".")
    if panel["type"] in ASKING_NOTHING:
        assert "targets" not in panel
        return
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert "decimals" in defaults
    assert defaults["noValue"]
    assert panel["datasource"] == DATASOURCE
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


def test_a_colour_means_the_same_everywhere() -> None:
    """A series of one name has one colour."""
    seen: dict[str, str] = {}
    for board in boards().values():
        for panel in panels(board):
            for override in panel.get("fieldConfig", {}).get("overrides", []):
                for each in override["properties"]:
                    if each["id"] == "color":
                        name, color = override["matcher"]["options"], each["value"]["fixedColor"]
                        assert seen.setdefault(name, color) == color, name
    assert seen


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_can_be_there(query: Query) -> None:
    """Every metric and label stands in a contract, is recorded, or is Prometheus' own."""
    made = set(re.findall(r'label_replace\(.*?, "(\w+)"', query.expression))
    unknown = {
        each for each in unknown_in(query.expression, KNOWN) if each.rpartition(" ")[2] not in made
    }
    assert not unknown
    made |= {label for selector in selectors(query.expression) for label in KNOWN[selector.metric]}
    assert set(re.findall(r"{{(\w+)}}", query.target["legendFormat"])) <= made


@pytest.mark.parametrize("query", QUERIES)
def test_a_window_is_grafanas_or_said(query: Query) -> None:
    """A rate is over Grafana's own interval; another window stands in the description."""
    for window in re.findall(r"\[([^\]]+)\]", query.written):
        if window != "$__rate_interval":
            assert WORDS[window] in query.panel["description"], window


@pytest.mark.parametrize("query", QUERIES)
def test_a_quantile_keeps_the_buckets_bounds(query: Query) -> None:
    """Buckets are never summed without `le`; only where they are shown are exemplars asked for."""
    buckets = [each for each in selectors(query.expression) if each.metric.endswith("_bucket")]
    for labels, scope in groupings(query.expression):
        if any(each.text in scope for each in buckets) and "_bucket" in scope:
            assert "le" in labels or scope == query.expression
    if buckets and not query.target["instant"]:
        assert "le" in {part.text for part in parts(query.expression) if part.kind is Kind.LABEL}
    assert not query.target.get("exemplar") or buckets


@pytest.mark.parametrize("board", BOARDS)
def test_exemplars_lead_to_traces(board: Json) -> None:
    """Every heat map of requests has them; so has the p95 of every latency."""
    for panel in panels(board):
        wanted = panel["type"] == "heatmap" or (
            "click" in panel["description"].lower() and ("dot" in panel["description"])
        )
        found = any(target.get("exemplar") for target in panel.get("targets", []))
        assert not wanted or found, panel["title"]


@pytest.mark.parametrize("board", BOARDS)
def test_variables_are_defined_and_used(board: Json) -> None:
    """None is asked for that is not there, none is there for nothing."""
    defined = variables(board)
    assert defined["datasource"]["type"] == "datasource"
    assert defined["datasource"]["current"]["value"] == "prometheus"
    rest = {key: value for key, value in board.items() if key != "templating"}
    used = {name for text in texts(rest) for name in named(text)}
    assert used == set(defined)
    for name, variable in defined.items():
        if name == "datasource":
            continue
        assert variable["datasource"] == DATASOURCE
        metric, label = re.fullmatch(
            r"label_values\((.+), (\w+)\)", variable["definition"]
        ).groups()  # type: ignore[union-attr]
        assert variable["query"]["query"] == variable["definition"]
        assert label in KNOWN[metric]


@pytest.mark.parametrize("board", BOARDS)
def test_every_link_leads_somewhere(board: Json) -> None:
    """To another dashboard with variables that it has, or to a port of the stack."""
    known = {each["uid"]: each for each in boards().values()}
    for url in links(board):
        parsed = urlsplit(url)
        if not url.startswith("/"):
            assert parsed.hostname == "localhost"
            assert parsed.port in DEFAULTS.values()
            continue
        _, kind, uid, slug = parsed.path.split("/")
        assert kind == "d"
        assert slug == known[uid]["title"].lower().replace(" ", "-")
        assert parsed.query.startswith("${__url_time_range}")
        for name, _ in parse_qsl(parsed.query):
            assert name.removeprefix("var-") in variables(known[uid])


@pytest.mark.parametrize("board", BOARDS)
def test_the_others_are_a_click_away(board: Json) -> None:
    """With the same time and variables."""
    (found,) = [link for link in board["links"] if link["type"] == "dashboards"]
    assert found["tags"] == ["stack"]
    assert found["keepTime"]
    assert found["includeVars"]


@pytest.mark.parametrize("board", BOARDS)
def test_alerts_and_deployments_are_marked(board: Json) -> None:
    """On every panel over time, by series that can be there."""
    marked = {each["name"]: each for each in board["annotations"]["list"]}
    assert set(marked) == {"Alerts", "Deployments"}
    for each in marked.values():
        assert each["datasource"] == DATASOURCE
        assert not set(unknown_in(each["expr"], KNOWN))
