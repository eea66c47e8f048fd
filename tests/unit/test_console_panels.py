"""Each type of panel shows values as Grafana would: units, mappings, thresholds and links."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stack.ops.console.asking import Answer, Course
from stack.ops.console.dashboard import Dashboard, Panel, read_dashboards
from stack.ops.console.prometheus import Exemplar, Series
from stack.ops.console.values import GREY, PALETTE, colour, limits, named, palette, plain, written
from stack.ops.console.views import Page, View, view
from tests.unit.console_parts import alert, read_panel, write

Some = tuple[str, Mapping[str, str], Sequence[float | None]]
RED, GREEN, ORANGE = "#E02F44", "#3FA34D", "#F08C1A"
STEPS = {"steps": [{"color": "green", "value": None}, {"color": "red", "value": 1}]}


def shown(
    panel: Panel,
    *courses: Some,
    known: Mapping[str, str] | None = None,
    boards: Sequence[Dashboard] = (),
    alerts: Sequence[Mapping[str, Any]] = (),
    **answer: Any,
) -> View:
    """Return what a panel shows of courses: their names, labels and values."""
    found = [Course(name, Series(labels, values)) for name, labels, values in courses]
    length = max((len(values) for _, _, values in courses), default=1)
    moments = range(0, 10 * length, 10)
    return view(Answer(panel, moments, found, **answer), Page(known or {}, boards, alerts))


def field(**defaults: Any) -> dict[str, Any]:
    return {"defaults": defaults}


def asks(**fields: Any) -> dict[str, Any]:
    return {"targets": [{"expr": "up"}], **fields}


def tile(folder: Path, value: float | None, **defaults: Any) -> dict[str, Any]:
    """Return the tile of one value."""
    panel = read_panel(folder, "stat", **asks(fieldConfig=field(**defaults)))
    (found,) = shown(panel, ("", {}, [value])).shown["tiles"]
    return dict(found)


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0, "s", None, "0 s"),
        (0.25, "s", 2, "250 ms"),
        (0.000_004_2, "s", None, "4.20 µs"),
        (90, "s", None, "1.50 min"),
        (7200, "s", None, "2 h"),
        (200_000, "s", None, "2.31 d"),
        (1.5 * 2**20, "bytes", None, "1.50 MiB"),
        (12, "bytes", None, "12 B"),
        (0.1234, "percentunit", 1, "12.3%"),
        (1, "percentunit", None, "100%"),
        (12.5, "percent", 1, "12.5%"),
        (12_345, "short", 0, "12.3 k"),
        (9_999, "short", 0, "9999"),
        (2_000_000, "short", None, "2 M"),
        (3.14159, "reqps", 1, "3.1 req/s"),
        (-0.25, "s", None, "-250 ms"),
        (5, "unknown", None, "5"),
        (None, "s", None, "–"),
    ],
)
def test_values_have_their_unit(
    value: float | None, unit: str, decimals: int | None, text: str
) -> None:
    assert written(value, {"unit": unit, "decimals": decimals}) == text


def test_mappings_come_before_units() -> None:
    """A value, a range open to one side, and nothing: each has words and a colour of its own."""
    fields = {
        "unit": "s",
        "thresholds": STEPS,
        "mappings": [
            {"type": "value", "options": {"2": {"text": "two"}, "1000000": {"color": "blue"}}},
            {"type": "range", "options": {"from": None, "to": 0, "result": {"text": "low"}}},
            {
                "type": "special",
                "options": {"match": "null+nan", "result": {"text": "gone", "color": "orange"}},
            },
        ],
    }
    assert [written(value, fields) for value in (2.0, -3.0, 0.0, None, 3.0)] == [
        "two",
        "low",
        "low",
        "gone",
        "3 s",
    ]
    assert [colour(value, fields) for value in (0.5, 2.0, 1e6, None)] == [
        GREEN,
        RED,
        named("blue"),
        ORANGE,
    ]


def test_a_colour_is_that_of_the_highest_threshold_reached() -> None:
    """Nothing has the lowest; without thresholds all are grey."""
    assert [colour(value, {"thresholds": STEPS}) for value in (None, 0.99, 1.0)] == [
        GREEN,
        GREEN,
        RED,
    ]
    assert colour(1.0, {}) == GREY
    assert colour(1.0, {"thresholds": {"steps": [{"color": "red"}]}}) == RED


def test_only_thresholds_that_are_styled_are_lines() -> None:
    lines = {"thresholds": STEPS, "custom": {"thresholdsStyle": {"mode": "dashed"}}}
    assert limits(lines) == [{"value": 1, "color": RED}]
    assert limits({"thresholds": STEPS}) == []
    assert limits({"custom": lines["custom"]}) == []


def test_all_digits_go_into_addresses() -> None:
    """As JavaScript writes numbers, so that both name a state alike."""
    texts = [plain(value) for value in (1.0, 1_795_592_658.0, 1234567.25, 0.1, -0.0)]
    assert texts == ["1", "1795592658", "1234567.25", "0.1", "0"]


def test_series_of_a_panel_are_told_apart() -> None:
    """A name has the same colour everywhere; only of more than there are two share one."""
    names = [f"series {at}" for at in range(len(PALETTE))]
    assert set(palette(names).values()) == set(PALETTE)
    assert palette(["a"])["a"] == palette(["a", *names[:2]])["a"]
    assert len(palette([*names, "more"])) == len(PALETTE) + 1


def test_a_tile_shows_the_last_value(tmp_path: Path) -> None:
    """With its course behind it, from the first value to the last."""
    panel = read_panel(
        tmp_path,
        "stat",
        **asks(options={"graphMode": "area"}, fieldConfig=field(unit="percentunit", decimals=1)),
    )
    (found,) = shown(panel, ("", {}, [None, 0.5, None, 1.0, None])).shown["tiles"]
    assert found["text"] == "100.0%"
    assert found["path"] == "M25.0,30 L25.0,16.0 L75.0,2.0 L75.0,30 Z"
    flat = shown(panel, ("", {}, [0.0, 0.0]), ("", {}, [None, 1.0])).shown["tiles"]
    assert [each["path"] for each in flat] == ["M0.0,30 L0.0,30.0 L100.0,30.0 L100.0,30 Z", ""]


def test_white_can_be_read_on_a_tile(tmp_path: Path) -> None:
    """Its colour is darkened; one that is no colour of its own becomes grey."""
    steps = {"steps": [{"color": "transparent", "value": None}]}
    assert tile(tmp_path, 1.0, thresholds=STEPS)["ground"] == "#e02f44"
    assert tile(tmp_path, 0.0, thresholds=STEPS)["ground"] == "#33853f"
    assert tile(tmp_path, 1.0, thresholds=steps)["ground"] == tile(tmp_path, 1.0)["ground"]


def test_a_tile_may_show_a_name(tmp_path: Path) -> None:
    panel = read_panel(tmp_path, "stat", **asks(options={"textMode": "name"}))
    (found,) = shown(panel, ("1.2.3", {}, [1.0])).shown["tiles"]
    assert (found["name"], found["text"]) == ("", "1.2.3")


def test_one_tile_alone_needs_no_name(tmp_path: Path) -> None:
    """Of several each has its own."""
    panel = read_panel(tmp_path, "stat", **asks())
    (alone,) = shown(panel, ("p95", {}, [1.0])).shown["tiles"]
    several = shown(panel, ("p50", {}, [1.0]), ("p95", {}, [1.0])).shown["tiles"]
    assert (alone["name"], [each["name"] for each in several]) == ("", ["p50", "p95"])


def test_a_tile_without_series_says_so(tmp_path: Path) -> None:
    """In the words and the colour of nothing, with no link that would miss a label."""
    defaults = field(noValue="all well", thresholds=STEPS, links=[{"title": "x", "url": "/x"}])
    panel = read_panel(tmp_path, "stat", **asks(fieldConfig=defaults))
    (found,) = shown(panel).shown["tiles"]
    assert (found["text"], found["ground"], found["link"]) == ("all well", "#33853f", None)


def test_nothing_is_said_of_what_is_not_known(tmp_path: Path) -> None:
    """Where the query was refused, `all well` would be wrong."""
    for kind in ("stat", "table", "timeseries"):
        panel = read_panel(tmp_path, kind, **asks(fieldConfig=field(noValue="all well")))
        found = shown(panel, problem="refused")
        assert (found.template, found.empty, found.problem) == ("empty", "", "refused")


def test_a_panel_without_series_says_so(tmp_path: Path) -> None:
    panel = read_panel(tmp_path, "timeseries", **asks(fieldConfig=field(noValue="no call yet")))
    assert (shown(panel).template, shown(panel).empty) == ("empty", "no call yet")


def test_an_unknown_type_is_named(tmp_path: Path) -> None:
    found = shown(read_panel(tmp_path, "canvas"))
    assert found.problem == "the console draws no 'canvas' panels"


@pytest.mark.parametrize("kind", ["gauge", "bargauge"])
def test_gauges_end_at_their_limits(tmp_path: Path, kind: str) -> None:
    """What is beyond them fills or empties them; the text says what it is."""
    panel = read_panel(
        tmp_path, kind, **asks(fieldConfig=field(min=0, max=2, unit="percentunit", decimals=0))
    )
    values = (-1.0, 0.5, 3.0, None)
    found = shown(panel, *(("", {}, [value]) for value in values)).shown["gauges"]
    assert [each["share"] for each in found] == [0, 0.25, 1, 0]
    assert [each["text"] for each in found] == ["-100%", "50%", "300%", "–"]


@pytest.mark.parametrize(("low", "high"), [(None, None), (1, 1)], ids=["none", "equal"])
def test_gauges_do_without_limits(tmp_path: Path, low: object, high: object) -> None:
    panel = read_panel(tmp_path, "gauge", **asks(fieldConfig=field(min=low, max=high)))
    (found,) = shown(panel, ("", {}, [0.5])).shown["gauges"]
    assert 0 <= found["share"] <= 1


def test_links_take_labels_quoted(tmp_path: Path) -> None:
    """Labels, values and variables; the time is part of an address as it is."""
    url = (
        "/d/x?${__url_time_range}&var-a=${__field.labels.a}&v=${__value.raw}&s=$s&n=${__field.name}"
    )
    links = [{"title": "Open", "url": url}, {"title": "Second", "url": "/"}]
    known = {"__url_time_range": "from=now-5m&to=now", "s": "1&2"}
    for kind, key in (("stat", "tiles"), ("bargauge", "gauges")):
        panel = read_panel(tmp_path, kind, **asks(fieldConfig=field(links=links)))
        (found,) = shown(panel, ("n/a", {"a": "é&=/"}, [1234567.0]), known=known).shown[key]
        assert found["link"] == {
            "title": "Open",
            "url": "/d/x?from=now-5m&to=now&var-a=%C3%A9%26%3D%2F&v=1234567&s=1%262&n=n%2Fa",
        }


ORGANIZE = {
    "id": "organize",
    "options": {
        "excludeByName": {"job": True, "slo": False},
        "indexByName": {"service": 0, "slo": 1, "Value": 2},
        "renameByName": {"service": "Service", "Value": "Since", "slo": ""},
    },
}


def table(folder: Path, **fields: Any) -> Panel:
    defaults = {"transformations": [ORGANIZE], "fieldConfig": field(unit="s")}
    return read_panel(folder, "table", **asks(**{**defaults, **fields}))


def test_a_tables_columns_are_organized(tmp_path: Path) -> None:
    """Left out, ordered and renamed; a label that a series has not is an empty cell."""
    found = shown(
        table(tmp_path),
        ("", {"__name__": "x", "slo": "a", "job": "j", "service": "llm"}, [60.0]),
        ("", {"service": "web", "extra": "e"}, [None]),
    ).shown
    assert found["headings"] == ["Service", "slo", "Since", "extra"]
    texts = [[cell["text"] for cell in row] for row in found["rows"]]
    assert texts == [["llm", "a", "1 min", ""], ["web", "", "", "e"]]
    assert [cell["number"] for cell in found["rows"][0]] == [False, False, True, False]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ([{"displayName": "Since", "desc": True}], ["b", "c", "a", "d"]),
        ([{"displayName": "Service"}], ["a", "b", "c", "d"]),
        ([{"displayName": "slo"}, {"displayName": "Service", "desc": True}], ["d", "b", "c", "a"]),
        ([{"displayName": "gone"}], ["a", "c", "b", "d"]),
    ],
    ids=["numbers", "words", "two", "none such"],
)
def test_a_tables_rows_are_sorted(tmp_path: Path, by: Any, order: list[str]) -> None:
    """By the headings that are shown; what is not there comes after all numbers."""
    found = shown(
        table(tmp_path, options={"sortBy": by}),
        ("", {"service": "a", "slo": "y"}, [1.0]),
        ("", {"service": "c", "slo": "y"}, [9.0]),
        ("", {"service": "b", "slo": "x"}, [10.0]),
        ("", {"service": "d", "slo": "x"}, [None]),
    ).shown
    assert [row[0]["text"] for row in found["rows"]] == order


def test_a_column_may_differ(tmp_path: Path) -> None:
    """By its heading or by its first name: unit, colours and links, which take the whole row."""
    url = "/r/${__value.raw}?s=${__data.fields.service}&v=${__data.fields.Value}"
    override = [
        {"matcher": {"id": "byName", "options": "Since"}, "properties": [
            {"id": "unit", "value": "percentunit"},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            {"id": "thresholds", "value": STEPS},
        ]},
        {"matcher": {"id": "byName", "options": "slo"}, "properties": [
            {"id": "links", "value": [{"title": "Run", "url": url}]},
        ]},
        {"matcher": {"id": "byName", "options": "service"}, "properties": [
            {"id": "links", "value": [{"title": "S", "url": "/s"}]},
        ]},
        {"matcher": {"id": "byRegexp", "options": ".*"}, "properties": [
            {"id": "unit", "value": "bytes"},
        ]},
    ]  # fmt: skip
    panel = table(tmp_path, fieldConfig={"defaults": {"unit": "s"}, "overrides": override})
    labels = {"service": "a b", "slo": "x?y"}
    (row, other) = shown(panel, ("", labels, [2.0]), ("", {"service": "c"}, [0.5])).shown["rows"]
    assert (row[2]["text"], row[2]["color"]) == ("200%", RED)
    assert (row[0]["color"], row[0]["links"]) == ("", [{"title": "S", "url": "/s"}])
    assert row[1]["links"] == [{"title": "Run", "url": "/r/x%3Fy?s=a%20b&v=2"}]
    assert other[1]["links"] == []


def test_text_is_markdown_without_markup(tmp_path: Path) -> None:
    """With the variables' values; HTML in it is text."""
    content = "**$service** <i>x</i>\n\n| a | b |\n| - | - |\n| 1 | [x](/d/y) |"
    panel = read_panel(tmp_path, "text", options={"content": content}, targets=[])
    found = shown(panel, known={"service": "<b>llm</b>"}).shown["html"]
    assert "<strong>&lt;b&gt;llm&lt;/b&gt;</strong> &lt;i&gt;x&lt;/i&gt;" in found
    assert '<td><a href="/d/y">x</a></td>' in found


def test_text_that_is_no_markdown_is_shown_as_it_is(tmp_path: Path) -> None:
    panel = read_panel(tmp_path, "text", options={"mode": "html", "content": "<b>x</b>"})
    assert shown(panel).shown == {"html": "", "plain": "<b>x</b>"}


def test_lists_of_dashboards_go_by_tags(tmp_path: Path) -> None:
    """Only those that have all of them."""
    for uid, tags in (("a", ["stack"]), ("c", ["stack", "more"]), ("d", [])):
        write(tmp_path, uid=uid, tags=tags)
    boards = list(read_dashboards(tmp_path)[0].values())
    for tags, found in ((["stack"], "ac"), (["more", "stack"], "c"), ([], "acd")):
        panel = read_panel(tmp_path, "dashlist", options={"tags": tags})
        listed = shown(panel, boards=boards).shown["boards"]
        assert "".join(each.uid for each in listed) == found


ALERTS = [
    alert("A", service="llm"),
    alert("B", severity="ticket"),
    alert("C", "pending", service="web"),
]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "AB"),
        ({"alertInstanceLabelFilter": '{severity="page"}'}, "A"),
        ({"alertInstanceLabelFilter": '{severity!="page"}'}, "B"),
        ({"alertInstanceLabelFilter": '{severity=~"page|ticket", service!=""}'}, "A"),
        ({"alertInstanceLabelFilter": '{severity=~"pa"}'}, ""),
        ({"alertInstanceLabelFilter": '{service!~"l.*"}'}, "B"),
        ({"alertInstanceLabelFilter": '{service=""}'}, "B"),
        ({"stateFilter": {"firing": True, "pending": True}}, "ABC"),
        ({"stateFilter": {"firing": False, "pending": True}}, "C"),
        ({"maxItems": 1}, "A"),
    ],
)
def test_lists_of_alerts_are_filtered(tmp_path: Path, options: Any, found: str) -> None:
    """By labels as Prometheus matches them, by state, and in number."""
    given = {"stateFilter": {"firing": True, "pending": False}, **options}
    panel = read_panel(tmp_path, "alertlist", options=given)
    listed = shown(panel, alerts=ALERTS).shown["alerts"]
    assert "".join(each["labels"]["alertname"] for each in listed) == found


def test_lines_are_drawn_over_time(tmp_path: Path) -> None:
    """Gaps stay gaps; each has a colour, a legend and its link; one scale fits all."""
    links = [{"title": "Open", "url": "/s/${__field.labels.s}"}]
    custom = {
        "stacking": {"mode": "normal"},
        "fillOpacity": 40,
        "thresholdsStyle": {"mode": "dashed"},
    }
    config = field(unit="s", links=links, min=0, custom=custom, thresholds=STEPS)
    fixed = [{"id": "color", "value": {"mode": "fixed", "fixedColor": "green"}}]
    override = [{"matcher": {"id": "byName", "options": "b"}, "properties": fixed}]
    panel = read_panel(
        tmp_path, "timeseries", **asks(fieldConfig={**config, "overrides": override})
    )
    found = shown(
        panel,
        ("a", {"s": "1"}, [None, 0.1, 0.2]),
        ("b", {"s": "2"}, [0.3, None, None]),
        dots=[Exemplar(5.0, 0.2, {"trace_id": "abc"}), Exemplar(6.0, 0.1, {})],
    ).shown
    chart, legend = found["chart"], found["legend"]
    assert chart["x"] == [0, 10, 20]
    assert [each["values"] for each in chart["series"]] == [[None, 0.1, 0.2], [0.3, None, None]]
    assert [each["color"] for each in chart["series"]] == [palette(["a"])["a"], GREEN]
    assert (chart["stacked"], chart["fill"], chart["min"], chart["max"]) == (True, 0.4, 0, None)
    assert chart["scale"] == {"factor": 1e-3, "suffix": " ms"}
    assert chart["limits"] == [{"value": 1, "color": RED}]
    assert [each["trace"] for each in chart["dots"]] == ["abc", ""]
    assert [(each["last"], each["max"]) for each in legend] == [
        ("200 ms", "200 ms"),
        ("300 ms", "300 ms"),
    ]
    assert [each["link"]["url"] for each in legend] == ["/s/1", "/s/2"]


def test_lines_without_a_number_are_drawn_empty(tmp_path: Path) -> None:
    """A series of nothing but NaN has a legend all the same, and the scale of its limit."""
    panel = read_panel(tmp_path, "timeseries", **asks(fieldConfig=field(max=50_000, unit="short")))
    found = shown(panel, ("a", {}, [None, None])).shown
    assert found["legend"][0]["last"] == found["legend"][0]["max"] == "–"
    assert found["chart"]["scale"] == {"factor": 1e3, "suffix": " k"}


def test_states_are_named_and_coloured(tmp_path: Path) -> None:
    """The legend has each that was seen once."""
    states = {"0": {"text": "closed", "color": "green"}, "2": {"text": "open", "color": "red"}}
    mappings = [{"type": "value", "options": states}]
    panel = read_panel(tmp_path, "state-timeline", **asks(fieldConfig=field(mappings=mappings)))
    found = shown(panel, ("a", {}, [None, 0.0, 2.0]), ("b", {}, [0.0, 0.0, 1_000_000.0])).shown
    assert found["chart"]["states"] == {
        "0": ["closed", GREEN],
        "2": ["open", RED],
        "1000000": ["1000000", GREY],
    }
    assert [each["name"] for each in found["legend"]] == ["closed", "open", "1000000"]


def bucket(le: str, *counts: float | None) -> Some:
    return (le, {"le": le}, counts)


def test_a_heat_map_counts_each_bucket_alone(tmp_path: Path) -> None:
    """Buckets hold those below with them; they are ordered by size, not by name."""
    panel = read_panel(tmp_path, "heatmap", **asks(options={"yAxis": {"unit": "s"}}))
    found = shown(
        panel,
        bucket("+Inf", 9.0, 5.0, None),
        bucket("10", 7.0, 5.0, None),
        bucket("0.5", 1.0, 2.0, 1.0),
        bucket("2.5", 3.0, 1.5, None),
        ("total", {}, [9.0, 9.0, 9.0]),
        dots=[Exemplar(3.0, 1.5, {"trace_id": "t"}), Exemplar(3.0, 99.0, {})],
    ).shown["chart"]
    assert [(row["name"], row["values"]) for row in found["rows"]] == [
        ("500 ms", [1.0, 2.0, 1.0]),
        ("2.50 s", [2.0, 0.0, None]),
        ("10 s", [4.0, 3.5, None]),
        ("∞", [2.0, 0.0, None]),
    ]
    assert [(dot["y"], dot["value"]) for dot in found["dots"]] == [(1.5, 1.5), (3.5, 99.0)]


def test_a_heat_map_leaves_out_what_is_far_from_all(tmp_path: Path) -> None:
    """Of the empty buckets one below and one above stay; with none used nothing is drawn."""
    panel = read_panel(tmp_path, "heatmap", **asks(fieldConfig=field(unit="s", noValue="none")))
    counts = {"1": 0.0, "2": 0.0, "3": 5.0, "4": 5.0, "5": 5.0, "+Inf": 5.0}
    found = shown(panel, *(bucket(le, count) for le, count in counts.items()))
    assert [row["name"] for row in found.shown["chart"]["rows"]] == ["2 s", "3 s", "4 s"]
    nothing = shown(panel, *(bucket(le, 0.0) for le in counts))
    assert (nothing.template, nothing.empty) == ("empty", "none")
    assert shown(panel, ("no bucket", {}, [1.0])).template == "empty"
