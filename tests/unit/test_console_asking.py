"""The console reads its settings, fills variables into queries and asks Prometheus for all."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.errors import ConfigurationError
from stack.ops.console.asking import Answer, Asking, Mark
from stack.ops.console.dashboard import read_dashboards
from stack.ops.console.prometheus import (
    Exemplar,
    Prometheus,
    PrometheusError,
    Series,
    UnreachableError,
)
from stack.ops.console.settings import Settings
from stack.ops.console.timerange import InvalidRangeError, TimeRange, relative, seconds
from stack.ops.console.variables import Variable, filled, read_variables
from tests.unit.console_parts import END, REAL, START, STEP, FakePrometheus, panel, write

TIME = TimeRange(START, END, f"{START}000", f"{END}000", 5)
COUNT = (END - START) // STEP + 1


def prometheus(fake: Any) -> Prometheus:
    return Prometheus("http://prometheus.test", httpx.MockTransport(fake))


def ask(
    folder: Path,
    fake: FakePrometheus,
    *panels: dict[str, Any],
    variables: list[Variable] | None = None,
    **fields: Any,
) -> tuple[list[Answer], list[Mark]]:
    write(folder, *panels, **fields)
    board = read_dashboards(folder)[0]["b"]
    return Asking(prometheus(fake)).all(board, variables or [], TIME)


def names(answer: Answer) -> list[str]:
    return [each.name for each in answer.courses]


# What it is told


def test_the_files_of_grafana_are_the_settings() -> None:
    """Also how often Prometheus scrapes; a slash at an end is none of the address."""
    url = {"METRICS_URL": "http://prometheus:9090/"}
    settings = Settings.from_env({"GRAFANA_CONFIG_DIR": str(REAL), **url})
    assert settings.dashboards == REAL / "dashboards"
    assert settings.prometheus == "http://prometheus:9090"
    assert settings.jaeger == "http://jaeger:16686"
    assert settings.alertmanager == "http://alertmanager:9093"
    assert settings.scrape_interval == 5


OTHERS = "{type: jaeger, url: x}, {type: alertmanager, url: y}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datasources: []", "has a prometheus datasource"),
        ("datasources: [{type: prometheus}]", "has a prometheus datasource"),
        ("datasources: [{type: prometheus, url: x}]", "has a jaeger datasource"),
        ("datasources: [", r"stack.yaml' is not valid: must be a datasources file"),
        ("other: 1", r"stack.yaml' is not valid: must be a datasources file"),
        ("datasources: [{url: x}]", r"stack.yaml' is not valid: must be a datasources file"),
        ("datasources: [x]", r"stack.yaml' is not valid: must be a datasources file"),
        ("", r"stack.yaml' is not valid: must be a datasources file"),
        (
            "datasources: [{type: prometheus, url: x, jsonData: {timeInterval: often}}, "
            f"{OTHERS}]",
            "'often' is no duration; write one like 15s",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, text: str, said: str) -> None:
    sources = tmp_path / "provisioning" / "datasources"
    sources.mkdir(parents=True)
    (tmp_path / "dashboards").mkdir()
    (sources / "stack.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=said) as refused:
        Settings.from_env({"GRAFANA_CONFIG_DIR": str(tmp_path)})
    assert str(tmp_path) in str(refused.value)
    assert refused.value.name == "GRAFANA_CONFIG_DIR"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """Itself, or the dashboards in it."""
    with pytest.raises(ConfigurationError, match="must be an existing folder"):
        Settings.from_env({"GRAFANA_CONFIG_DIR": str(tmp_path / "none")})
    with pytest.raises(ConfigurationError, match="must be a folder with dashboards/ in it"):
        Settings.from_env({"GRAFANA_CONFIG_DIR": str(tmp_path)})


def test_a_variable_of_the_files_that_is_not_set_is_named() -> None:
    """Grafana would put nothing in its place, and ask nobody."""
    with pytest.raises(ConfigurationError, match=r"METRICS_URL=.* must be set") as refused:
        Settings.from_env({"GRAFANA_CONFIG_DIR": str(REAL)})
    assert refused.value.name == "METRICS_URL"


def test_an_interval_that_is_not_given_is_prometheus_own(tmp_path: Path) -> None:
    sources = tmp_path / "provisioning" / "datasources"
    sources.mkdir(parents=True)
    (tmp_path / "dashboards").mkdir()
    (sources / "stack.yaml").write_text(
        f"datasources: [{{type: prometheus, url: 'http://p/'}}, {OTHERS}]"
    )
    settings = Settings.from_env({"GRAFANA_CONFIG_DIR": str(tmp_path)})
    assert (settings.scrape_interval, settings.prometheus) == (15, "http://p")


# The time


def test_durations_and_times_are_read() -> None:
    assert [seconds(text) for text in ("15s", "5m", "2h", "1d", "1w")] == [
        15,
        300,
        7200,
        86_400,
        604_800,
    ]
    now = 1_795_591_800.5
    time = TimeRange.parse("now-30m", "now", now, 5)
    assert (time.start, time.end, time.live) == (now - 1800, now, True)
    time = TimeRange.parse("1795590000000", "now-1m", now, 5)
    assert (time.start, time.end, time.live) == (START, now - 60, False)
    for text in ("", "5", "s", "1.5h", "-5m", "5 m", "٣m"):
        with pytest.raises(InvalidRangeError, match="is no duration"):
            seconds(text)


def test_a_time_has_words() -> None:
    words = [relative(text) for text in ("now-1h", "now-5m", "now", "123")]
    assert words == ["last hour", "last 5 minutes", "chosen time", "chosen time"]


def test_queries_know_the_time() -> None:
    """A rate covers four samples at least, and one more than lies between two points."""
    assert TIME.globals() == {
        "__interval": "10s",
        "__rate_interval": "20s",
        "__range": "1800s",
        "__from": f"{START}000",
        "__to": f"{END}000",
        "__url_time_range": f"from={START}000&to={END}000",
    }
    assert TIME.globals(60)["__rate_interval"] == "35s"


# Dashboards


def test_a_dashboard_is_read_in_the_order_of_its_grid(tmp_path: Path) -> None:
    """From the top, each line from the left; panels inside a row come with it."""
    place = {"x": 0, "y": 9, "w": 1, "h": 1}
    inside = panel("stat", gridPos={**place, "y": 2}, title="inside") | {"id": 9}
    write(
        tmp_path,
        panel("stat", gridPos=place, title="last"),
        panel("stat", gridPos={**place, "x": 3, "y": 0}, title="right"),
        panel("row", gridPos={**place, "y": 1}, title="row", panels=[inside]),
        panel("stat", gridPos={**place, "y": 0}, title="left"),
    )
    board = read_dashboards(tmp_path)[0]["b"]
    assert [each.title for each in board.panels] == ["left", "right", "row", "inside", "last"]


@pytest.mark.parametrize(
    ("description", "question"),
    [("Is it well? See below. Or not?", "Is it well?"), ("All of it.", "All of it."), ("", "")],
)
def test_a_dashboard_answers_a_question(tmp_path: Path, description: str, question: str) -> None:
    write(tmp_path, description=description)
    assert read_dashboards(tmp_path)[0]["b"].question == question


# Variables


def variable(**fields: Any) -> dict[str, Any]:
    return {"type": "custom", "name": "v", "query": "a, b,c", **fields}


def read(fake: FakePrometheus, *listed: dict[str, Any], **asked: list[str]) -> list[Variable]:
    return read_variables(listed, asked, prometheus(fake), TIME)


@pytest.mark.parametrize(
    ("fields", "asked", "value", "text"),
    [
        ({}, [], "a", "a"),
        ({}, ["b"], "b", "b"),
        ({}, ["gone"], "gone", "gone"),
        ({}, ['say "hi"\\\n'], 'say \\"hi\\"\\\\\\n', 'say "hi"\\\n'),
        ({"current": {"value": "c"}}, [], "c", "c"),
        ({"current": {"value": "gone"}}, [], "a", "a"),
        ({"current": None}, [], "a", "a"),
        ({"multi": True}, ["a", "b"], "(a|b)", "a + b"),
        ({"multi": True}, ["a.b"], r"a\\.b", "a.b"),
        ({"multi": True}, ['a"b'], r"a\"b", 'a"b'),
        ({"multi": True, "includeAll": True}, [], "(a|b|c)", "All"),
        ({"includeAll": True, "allValue": ".+"}, ["$__all"], ".+", "All"),
        ({"includeAll": True, "allValue": ".+", "current": {"value": ["$__all"]}}, [], ".+", "All"),
        ({"includeAll": True, "current": {"value": ["b"]}}, [], "b", "b"),
        ({"includeAll": True, "current": {"value": ["b"]}}, ["$__all"], "(a|b|c)", "All"),
    ],
)
def test_a_variable_has_a_value(
    fields: dict[str, Any], asked: list[str], value: str, text: str
) -> None:
    """As it stands in a query's quotes; a regular expression where it may be several."""
    (found,) = read(FakePrometheus(), variable(**fields), v=asked)
    assert (found.value, found.text) == (value, text)


@pytest.mark.parametrize(
    ("fields", "options", "path", "match"),
    [
        ({"query": "label_values(service)"}, ["x", "y"], "/api/v1/label/service/values", None),
        (
            {"query": {"query": 'label_values(up{a="$v", b=~"1,2"}, service)'}},
            ["x", "y"],
            "/api/v1/label/service/values",
            'up{a="a", b=~"1,2"}',
        ),
        (
            {"query": "query_result(up)", "current": {"value": ["one", "two"]}},
            ["one", "two"],
            "",
            "",
        ),
    ],
    ids=["all", "matching", "another question"],
)
def test_a_query_knows_what_can_be_chosen(
    fields: dict[str, Any], options: list[str], path: str, match: str
) -> None:
    """It may use the variables before it."""
    fake = FakePrometheus(labels=["y", "x"])
    found = read(fake, variable(), {"type": "query", "name": "q", **fields})[1]
    assert list(found.options) == options
    if path:
        assert fake.asked == [
            (
                path,
                {"start": str(START), "end": str(END)} | ({"match[]": match} if match else {}),
            )
        ]


def test_a_datasource_is_no_choice() -> None:
    listed = variable(type="datasource", query="prometheus", hide=2, label="Source")
    (found,) = read(FakePrometheus(), listed)
    assert (found.options, found.value, found.hidden) == (["prometheus"], "prometheus", True)
    assert found.address == ""


def test_an_address_says_what_is_chosen() -> None:
    listed = (variable(multi=True), variable(name="w", includeAll=True), variable(name="x"))
    found = read(FakePrometheus(), *listed, v=["a&b", "c"])
    assert "".join(each.address for each in found) == "&var-v=a%26b&var-v=c&var-w=$__all&var-x=a"


def test_texts_are_filled_once() -> None:
    """What nobody knows stays, and a value is not searched for variables."""
    values = {"a": "$b", "b": "x", "__f.l": "y"}
    assert filled("$a ${a} ${a:csv} $b-$c ${__f.l} ${1}xx $1", values) == (
        "$b $b $b x-$c y ${1}xx $1"
    )


# Prometheus


def test_values_stand_at_their_moments() -> None:
    """Where none is there is a gap, also for what is no number; a series may begin late."""
    values: list[float | str | None] = [None, "1", "NaN", "+Inf", "-Inf", "2.5e-3"]
    found = prometheus(FakePrometheus([({"a": "b"}, values)])).range("up", 0, 60, 10)
    assert found == [Series({"a": "b"}, [None, 1.0, None, None, None, 0.0025, None])]
    assert found[0].last == 0.0025
    assert Series({}, [None]).last is None


def test_one_moment_may_be_a_vector_or_a_number() -> None:
    found = prometheus(FakePrometheus([({"a": "b"}, "NaN")])).instant("up", 5)
    assert found == [Series({"a": "b"}, [None])]

    def number(request: httpx.Request) -> httpx.Response:
        data = {"resultType": "scalar", "result": [5, "42"]}
        return httpx.Response(200, json={"status": "success", "data": data})

    assert prometheus(number).instant("42", 5) == [Series({}, [42.0])]


def test_prometheus_refuses_in_its_own_words() -> None:
    with pytest.raises(PrometheusError, match=r"^1:5: parse error") as refused:
        prometheus(FakePrometheus(refuses="up")).instant("up", 5)
    assert not isinstance(refused.value, UnreachableError)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"status": "success"}),
        httpx.Response(500, json={"message": "x"}),
    ],
)
def test_what_is_no_prometheus_does_not_answer(answer: httpx.Response) -> None:
    with pytest.raises(UnreachableError, match=r"prometheus\.test answers with status"):
        prometheus(lambda request: answer).alerts()


def test_a_prometheus_that_is_slow_does_not_answer() -> None:
    """And is left alone for a moment: those that ask next do not wait as long."""
    asked = []

    def slow(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ReadTimeout("")

    hanging = prometheus(slow)
    for _ in range(3):
        with pytest.raises(UnreachableError, match="did not answer within 10 s"):
            hanging.alerts()
    assert len(asked) == 1


# All of a page


def test_panels_ask_with_what_is_chosen(tmp_path: Path) -> None:
    """Over time or for its end; hidden questions and those without a query are not asked."""
    fake = FakePrometheus()
    listed = read(fake, variable(multi=True, includeAll=True), v=["a.b", "c"])
    panels = [
        panel("timeseries", 'rate(x{v=~"$v"}[$__rate_interval])', "hidden"),
        panel("table", "y", target={"instant": True}),
        panel("text"),
        {**panel("timeseries", "z", ""), "maxDataPoints": 60},
    ]
    panels[0]["targets"][1]["hide"] = True
    panels[0] |= {"title": "Of $v", "description": "What ${v} and $w do"}
    answers, _ = ask(tmp_path, fake, *panels, variables=listed)
    asked = {fields["query"]: fields for _, fields in fake.asked if "query" in fields}
    assert asked == {
        r'rate(x{v=~"(a\\.b|c)"}[20s])': {
            "query": r'rate(x{v=~"(a\\.b|c)"}[20s])',
            "start": str(START),
            "end": str(END),
            "step": "10",
        },
        "y": {"query": "y", "time": str(END)},
        "z": {"query": "z", "start": str(START), "end": str(END), "step": "30"},
    }
    assert [len(each.moments) for each in answers] == [COUNT, COUNT, COUNT, 61]
    assert answers[0].queries == [r'rate(x{v=~"(a\\.b|c)"}[20s])']
    assert answers[0].panel.title == "Of a.b + c"
    assert answers[0].panel.description == "What a.b + c and $w do"


def test_only_the_only_series_needs_no_name(tmp_path: Path) -> None:
    """Of two questions each series has one."""
    (answer,), _ = ask(tmp_path, FakePrometheus([({"a": "1"}, 1.0)]), panel("timeseries", "x", "y"))
    assert names(answer) == ["1", "1"]


@pytest.mark.parametrize(
    ("legend", "series", "found"),
    [
        ("{{ service }} → {{gone}}", [({"service": "a"}, 1.0)], ["a → "]),
        ("", [({"__name__": "up", "b": "2", "a": "1"}, 1.0), ({}, 1.0)], ["1 2", ""]),
        ("__auto", [({"__name__": "up"}, 1.0), ({"__name__": "down"}, 1.0)], ["up", "down"]),
        ("__auto", [({"a": "1"}, 1.0)], [""]),
        ("$v of {{a}}", [({"a": "$v"}, 1.0)], ['a"b of $v']),
    ],
    ids=["labels", "all labels", "name", "only one", "variable"],
)
def test_series_have_names(tmp_path: Path, legend: str, series: Any, found: list[str]) -> None:
    """Of the legend, else of all labels; the only one of a panel needs none."""
    fake = FakePrometheus(series)
    listed = read(fake, variable(), v=['a"b'])
    asked = panel("timeseries", "up", target={"legendFormat": legend})
    (answer,), _ = ask(tmp_path, fake, asked, variables=listed)
    assert names(answer) == found


def test_the_highest_exemplars_are_kept(tmp_path: Path) -> None:
    """One in each slice of the time; only charts over time ask for them."""
    made = [
        {"timestamp": START + at, "value": str(at % 30), "labels": {"trace_id": str(at)}}
        for at in range(0, 1800, 5)
    ]
    fake = FakePrometheus(exemplars=made)
    target = {"exemplar": True}
    panels = [panel(kind, "x", target=target) for kind in ("timeseries", "stat", "heatmap")]
    (lines, tile, _), _ = ask(tmp_path, fake, *panels)
    assert len(lines.dots) == 48
    assert {dot.value for dot in lines.dots} == {25.0}
    assert lines.dots[0] == Exemplar(START + 25, 25.0, {"trace_id": "25"})
    assert tile.dots == []
    assert sum("exemplars" in path for path, _ in fake.asked) == 2


def test_a_page_does_without_exemplars(tmp_path: Path) -> None:
    """And without annotations, where Prometheus refuses them."""
    shown = FakePrometheus()

    def answer(request: httpx.Request) -> httpx.Response:
        if "exemplars" in request.url.path or b"ALERTS" in request.content:
            return httpx.Response(400, json={"status": "error", "error": "not enabled"})
        return shown(request)

    listed = {"list": [{"name": "A", "enable": True, "expr": "ALERTS", "iconColor": "red"}]}
    write(tmp_path, panel("timeseries", "x", target={"exemplar": True}), annotations=listed)
    board = read_dashboards(tmp_path)[0]["b"]
    (found,), marks = Asking(prometheus(answer)).all(board, [], TIME)
    assert (len(found.courses), found.dots, found.problem, marks) == (2, [], "", [])


def test_annotations_mark_beginnings(tmp_path: Path) -> None:
    """Each time a series comes back; what was there before the page begins is not marked."""

    def series(expr: str) -> Any:
        assert expr == 'ALERTS{v="a"}'
        return [({"alertname": "B"}, [None, 1.0, 1.0, None, 1.0]), ({"alertname": "C"}, [1.0, 1.0])]

    fake = FakePrometheus(series)
    listed = [
        {
            "name": "Alerts",
            "enable": True,
            "expr": 'ALERTS{v="$v"}',
            "titleFormat": "{{alertname}} fires",
            "iconColor": "#E02F44",
        },
        {"name": "Off", "enable": False, "expr": "off"},
        {"name": "Built in", "enable": True},
    ]
    _, marks = ask(tmp_path, fake, variables=read(fake, variable()), annotations={"list": listed})
    assert marks == [
        Mark(START + 10, "B fires", "#E02F44"),
        Mark(START + 40, "B fires", "#E02F44"),
    ]
