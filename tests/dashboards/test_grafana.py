"""The dashboards are in the words of Grafana 10 to 13: options, queries, links, transformations.

What a release does not know it leaves out without a word, and a panel then shows something else.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from stack.ops.dashboards import look
from stack.ops.dashboards.panels import UNKNOWN
from tests.dashboards.boards import Json, Query, boards, links, panels, queries, variables
from tests.rules.contracts import known_series, rules
from tests.rules.promql import selectors

PANELS = [
    pytest.param(panel, id=f"{name}-{panel['id']}-{panel['title']}")
    for name, board in boards().items()
    for panel in panels(board)
]
BOARDS = [pytest.param(board, id=name) for name, board in boards().items()]
QUERIES = [pytest.param(query, id=query.name) for query in queries()]
KNOWN = known_series(rule for _, rule in rules())
# By type: the options that its editor writes in all of the releases, or in some.
OPTIONS = {
    "alertlist": "alertInstanceLabelFilter alertName dashboardAlerts datasource groupBy groupMode "
    "maxItems showInactiveAlerts sortOrder stateFilter viewMode",
    "bargauge": "displayMode legend maxVizHeight minVizHeight minVizWidth namePlacement "
    "orientation reduceOptions showUnfilled sizing valueMode",
    "dashlist": "includeVars keepTime maxItems query showFolderNames showHeadings "
    "showRecentlyViewed showSearch showStarred tags",
    "gauge": "minVizHeight minVizWidth orientation reduceOptions showThresholdLabels "
    "showThresholdMarkers sizing",
    "heatmap": "calculate cellGap cellValues color exemplars filterValues legend selectionMode "
    "showValue tooltip yAxis",
    "stat": "colorMode graphMode justifyMode orientation percentChangeColorMode reduceOptions "
    "showPercentChange textMode wideLayout",
    "state-timeline": "alignValue legend mergeValues perPage rowHeight showValue tooltip",
    "table": "cellHeight footer frameIndex showHeader showTypeIcons sortBy",
    "text": "content mode",
    "timeseries": "legend tooltip",
}
# By type, how Prometheus' answer is read; courses if not given.
FORMATS = {"heatmap": "heatmap", "table": "table"}
INSTANT = {"bargauge", "table"}
TARGET = {
    "datasource", "exemplar", "expr", "format", "instant", "legendFormat", "range", "refId",
}  # fmt: skip
COLORS = {
    look.GREEN, look.ORANGE, look.RED, look.BLUE, look.PURPLE, look.TEAL, look.PINK, look.GREY,
    "transparent",
}  # fmt: skip
# The options of the one transformation that is used.
ORGANIZE = {"excludeByName", "indexByName", "renameByName"}
MACROS = re.compile(r"__url_time_range|__value\.raw|__field\.labels\.(\w+)")


def defaults(panel: Json) -> Json:
    """Return what holds for all fields of a panel."""
    found: Json = panel.get("fieldConfig", {}).get("defaults", {})
    return found


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_the_options_of_its_type(panel: Json) -> None:
    """None that no release knows."""
    assert set(panel["options"]) <= set(OPTIONS[panel["type"]].split())


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_asked_as_its_panel_reads_it(query: Query) -> None:
    """A heat map takes buckets, a table the last values, all others courses."""
    kind, target = query.panel["type"], query.target
    assert set(target) == TARGET
    assert target["format"] == FORMATS.get(kind, "time_series")
    assert target["range"] is not target["instant"]
    assert target["instant"] is (kind in INSTANT)
    assert not target["exemplar"] or kind in {"timeseries", "heatmap"}
    assert re.fullmatch("[A-H]", target["refId"])


@pytest.mark.parametrize("panel", PANELS)
def test_thresholds_begin_with_a_base_and_rise(panel: Json) -> None:
    """The first step has no value, the others ascend; all colours are the project's."""
    if "thresholds" not in defaults(panel):
        return
    base, *steps = defaults(panel)["thresholds"]["steps"]
    assert defaults(panel)["thresholds"]["mode"] == "absolute"
    assert base["value"] is None
    values = [step["value"] for step in steps]
    assert values == sorted(set(values))
    assert {step["color"] for step in (base, *steps)} <= COLORS


@pytest.mark.parametrize("panel", PANELS)
def test_what_is_empty_is_not_coloured_as_bad(panel: Json) -> None:
    """Without a value Grafana takes the lowest step, unless a mapping of null says otherwise."""
    if panel["type"] not in {"stat", "gauge", "bargauge"}:
        return
    mappings = defaults(panel)["mappings"]
    assert all(each["options"] for each in mappings)
    null = [each for each in mappings if each["type"] == "special"]
    assert all(each["options"]["match"] == "null" for each in null)
    assert (defaults(panel)["noValue"] == UNKNOWN) == bool(null)
    lowest = defaults(panel)["thresholds"]["steps"][0]["color"]
    assert null or lowest not in {look.WARNING, look.BAD}


@pytest.mark.parametrize("panel", PANELS)
def test_a_heat_map_shows_buckets_and_their_exemplars(panel: Json) -> None:
    """It counts nothing itself; `show` is what releases before 10.4 read."""
    if panel["type"] == "heatmap":
        assert panel["options"]["calculate"] is False
        assert panel["options"]["tooltip"] == {"mode": "single", "show": True}
        assert panel["options"]["yAxis"]["unit"] == defaults(panel)["unit"]
        assert all(target["exemplar"] for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_table_names_the_columns_that_it_has(panel: Json) -> None:
    """What is renamed, put in order and linked is a label of the query, or its value."""
    assert (panel["type"] == "table") == ("transformations" in panel)
    for each in panel.get("transformations", []):
        assert each["id"] == "organize"
        assert set(each["options"]) == ORGANIZE
        renamed = each["options"]["renameByName"]
        assert set(renamed) == set(each["options"]["indexByName"])
        labels = {label for query in asked(panel) for label in query}
        assert set(renamed) <= labels | {"Value"}
        headings = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
        sorted_by = {each["displayName"] for each in panel["options"]["sortBy"]}
        assert headings | sorted_by <= set(renamed.values())


def asked(panel: Json) -> list[set[str]]:
    """Return, for each series of a panel's queries, the labels that it can have."""
    expressions = [target["expr"] for target in panel.get("targets", [])]
    return [
        set(KNOWN[selector.metric])
        for expression in expressions
        for selector in selectors(expression.replace("$__rate_interval", "1m"))
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_a_link_is_filled_with_what_there_is(panel: Json) -> None:
    """By a label of the panel's series, the cell's value, or the time."""
    labels = {label for query in asked(panel) for label in query}
    for url in links(panel):
        for macro in re.findall(r"\$\{(__[^}]+)\}", url):
            found = MACROS.fullmatch(macro)
            assert found, macro
            assert found[1] is None or found[1] in labels


@pytest.mark.parametrize("board", BOARDS)
def test_variables_are_of_the_form_that_the_data_source_writes(board: Json) -> None:
    """The hidden one has all that is read of it, though nobody ever edits it."""
    for variable in variables(board).values():
        if variable["type"] == "datasource":
            assert variable["query"] == "prometheus"
            assert variable["hide"] == 2
            assert not variable["regex"]
            assert not variable["multi"]
        else:
            assert variable["type"] == "query"
            assert set(variable["query"]) == {"qryType", "query", "refId"}
            assert variable["query"]["qryType"] == 1
            assert variable["refresh"] == 2


@pytest.mark.parametrize("board", BOARDS)
def test_annotations_are_asked_for_in_old_and_new_releases(board: Json) -> None:
    """Grafana 10 reads the expression, newer ones the target; both say the same."""
    for each in board["annotations"]["list"]:
        assert each["target"]["expr"] == each["expr"]
        assert each["target"]["interval"] == each["step"]
        assert each["enable"]


@pytest.mark.parametrize("panel", PANELS)
def test_a_list_of_dashboards_has_all_of_them(panel: Json) -> None:
    """By the tag that they have, and nothing that is another for each person."""
    if panel["type"] != "dashlist":
        return
    options = panel["options"]
    assert options["showSearch"]
    assert not options["showStarred"]
    assert not options["showRecentlyViewed"]
    assert options["maxItems"] >= len(boards())
    assert all(set(options["tags"]) <= set(board["tags"]) for board in boards().values())


def panel_of(board: str, title: str) -> Json:
    """Return a dashboard's panel by its title."""
    (found,) = [panel for panel in panels(boards()[board]) if panel["title"] == title]
    return found


def failing(url: str) -> str:
    """Return whose traces with errors an address opens."""
    asked: dict[str, Any] = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert url.startswith("http://localhost:16686/search?")
    assert json.loads(asked["tags"][0]) == {"error": "true"}
    return str(asked["service"][0])


def test_three_clicks_lead_from_the_overview_to_the_failed_span() -> None:
    """A red service, its traces with errors, one of them; or over the service's dashboard."""
    (link,) = defaults(panel_of("overview", "Errors by service"))["links"]
    assert failing(link["url"]) == "${__field.labels.service}"
    overrides = panel_of("overview", "Firing alerts")["fieldConfig"]["overrides"]
    (column,) = [
        each["properties"][0]["value"]
        for each in overrides
        if each["matcher"]["options"] == "Service" and each["properties"][0]["id"] == "links"
    ]
    # With one link a click on the cell follows it, with several it opens a menu.
    assert [each["url"].split("?")[0] for each in column] == ["/d/stack-service/service"]
    above = {link["title"]: link for link in boards()["service"]["links"]}
    assert failing(above["Traces with errors"]["url"]) == "$service"
    (link,) = defaults(panel_of("service", "Errors"))["links"]
    assert failing(link["url"]) == "$service"


def test_the_overview_says_what_to_click() -> None:
    """Each panel that its text names is there, and each dashboard but itself is linked."""
    content = panel_of("overview", "What to click")["options"]["content"]
    titles = {panel["title"] for panel in panels(boards()["overview"])}
    named = set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", content))
    assert named
    assert named <= titles
    linked = {url.split("/")[2] for url in links({"mode": "markdown", "content": content})}
    assert linked == {board["uid"] for board in boards().values()} - {"stack-overview"}
