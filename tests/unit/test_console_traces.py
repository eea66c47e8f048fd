"""The console's trace pages answer Jaeger's links, and show where time went and errors began."""

import gc
import html
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader

import stack.ops.console.traces as package
from stack.ops import colours
from stack.ops.console.traces import pages
from stack.ops.console.traces.form import words
from stack.ops.console.traces.jaeger import Jaeger, JaegerError
from stack.ops.console.traces.pages import traces
from stack.ops.console.traces.trace import (
    Event,
    Node,
    Span,
    critical_path,
    grow,
    guilty,
    message,
    oddities,
    shares,
)
from stack.ops.console.traces.waterfall import MOST_ROWS, Summary, percent, shown, summary, ticks
from stack.ops.console.values import PALETTE, palette
from stack.ops.dashboards import look
from stack.ops.tracestore.app import create_app
from stack.ops.tracestore.settings import Settings as StoreSettings
from stack.web.headers import secure
from tests.unit.console_parts import EVIL

HERE = Path(package.__file__).parents[1]
LAYOUT = (
    "<title>{% block title %}{% endblock %}</title>"
    "{% block head %}{% endblock %}{% block content %}{% endblock %}"
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
START = 1_795_592_658_000_000
Handler = Callable[[httpx.Request], httpx.Response]


def span(number: int, parent: int = 0, **fields: Any) -> Span:
    given = {"service": "web", "operation": "op", "start": 0, "duration": 100, **fields}
    return Span(str(number), str(parent) if parent else "", **given)


def tag(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "type": "bool" if isinstance(value, bool) else "string", "value": value}


def body(number: int, parent: int, service: str, **fields: Any) -> dict[str, Any]:
    """Make a span in Jaeger's form."""
    reference = {"refType": "CHILD_OF", "traceID": TRACE, "spanID": str(parent)}
    return {
        "traceID": TRACE,
        "spanID": str(number),
        "operationName": f"op {number}",
        "references": [reference] if parent else [],
        "startTime": START,
        "duration": 250_000,
        "tags": [],
        "logs": [],
        "processID": service,
        "warnings": None,
        **fields,
    }


def document(*spans: dict[str, Any]) -> dict[str, Any]:
    names = {each["processID"] for each in spans}
    processes = {name: {"serviceName": name, "tags": [tag("host.name", "h1")]} for name in names}
    return {"traceID": spans[0]["traceID"], "spans": list(spans), "processes": processes}


def failing() -> dict[str, Any]:
    """Make a trace whose error begins in its last span, with an exception."""
    fields = [
        tag("event", "exception"),
        tag("exception.type", "ProviderError"),
        tag("exception.message", "<b>overloaded</b>"),
        tag("exception.stacktrace", "Traceback\n  line 1\n"),
    ]
    error = [tag("error", True)]
    return document(
        body(1, 0, "gateway", tags=error),
        body(2, 1, "gateway", tags=error, startTime=START + 10_000, duration=200_000),
        body(
            3,
            2,
            "llm",
            tags=error,
            startTime=START + 20_000,
            duration=180_000,
            logs=[{"timestamp": START + 30_000, "fields": fields}],
        ),
    )


class FakeJaeger:
    """Answers as Jaeger does and remembers what it was asked."""

    def __init__(self, *traces: dict[str, Any]) -> None:
        self.traces = list(traces)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path == "/api/services":
            return httpx.Response(200, json={"data": ["inbox", "gateway", "a/b"]})
        if path.endswith("/operations"):
            return httpx.Response(200, json={"data": ["op 1"]})
        if path == "/api/traces":
            return httpx.Response(200, json={"data": self.traces})
        found = [each for each in self.traces if each["traceID"] == path.rpartition("/")[2]]
        return httpx.Response(200 if found else 404, json={"data": found or None})

    def searched(self) -> dict[str, str]:
        (request,) = [each for each in self.asked if each.url.path == "/api/traces"]
        return dict(request.url.params)


def client_of(handler: Handler | httpx.BaseTransport) -> FlaskClient:
    app = Flask("console", template_folder=str(HERE / "templates"), static_folder=None)
    templates = FileSystemLoader(HERE / "templates")
    app.jinja_loader = ChoiceLoader([DictLoader({"layout.html": LAYOUT}), templates])
    app.add_url_rule("/static/<path:filename>", "static", lambda filename: "")
    transport = (
        handler if isinstance(handler, httpx.BaseTransport) else httpx.MockTransport(handler)
    )
    app.register_blueprint(traces(Jaeger("http://jaeger.test:16686", transport=transport)))
    secure(app)
    return app.test_client()


def test_the_embedded_store_is_asked_as_jaeger_is(tmp_path: Path) -> None:
    """What a service exported is found by its tags and shown."""
    store = create_app(StoreSettings(database_path=tmp_path / "traces.db"))
    now = time.time_ns() // 1000
    spans = {"data": [failing()]}
    for each in spans["data"][0]["spans"]:
        each["spanID"] = each["spanID"].zfill(16)
        each["startTime"] = now
        for reference in each["references"]:
            reference["spanID"] = reference["spanID"].zfill(16)
    assert store.test_client().post("/api/traces", json=spans).status_code == 201
    client = client_of(httpx.WSGITransport(app=store))
    assert f"/trace/{TRACE}" in client.get("/search?service=llm&errors=true").text
    assert "No trace of llm" in client.get("/search?service=llm&tags=a%3Db").text
    assert 'id="guilty"' in client.get(f"/trace/{TRACE}").text
    assert client.get("/trace/abc").status_code == 404


def test_a_tree_is_walked_depth_first() -> None:
    """Children stand below their parent in the order of their start; orphans at the top."""
    trace = grow(
        TRACE,
        [span(3, 1, start=5), span(4, 2, start=4), span(2, 1, start=3), span(1), span(5, 99)],
    )
    assert [(node.span.span_id, node.depth) for node in trace.nodes] == [
        ("1", 0),
        ("2", 1),
        ("4", 2),
        ("3", 1),
        ("5", 0),
    ]
    assert trace.root.span.span_id == "1"
    assert oddities(trace) == ["1 span: the parent is missing: not arrived yet, lost or too old."]


def test_rings_and_early_spans_are_drawn_and_said() -> None:
    """No span is lost, none is drawn twice."""
    trace = grow(TRACE, [span(1, start=50), span(2, 1), span(3, 4), span(4, 3), span(5, 5)])
    assert sorted(node.span.span_id for node in trace.nodes) == ["1", "2", "3", "4", "5"]
    assert oddities(trace) == [
        "2 spans: the parents form a ring, drawn from its earliest span.",
        "1 span: started before the parent: the clocks of their hosts differ.",
    ]


def test_a_critical_path_walks_back_through_the_last_to_end() -> None:
    """Of two that ran at once, the later to end held the parent up."""
    trace = grow(
        TRACE,
        [
            span(1, duration=100),
            span(2, 1, service="db", start=10, duration=20),
            span(3, 1, service="llm", start=40, duration=50),
            span(4, 1, service="cache", start=45, duration=5),
        ],
    )
    path = critical_path(trace.root)
    assert [(each.node.span.span_id, each.start, each.end) for each in path] == [
        ("1", 90, 100),
        ("3", 40, 90),
        ("1", 30, 40),
        ("2", 10, 30),
        ("1", 0, 10),
    ]
    assert shares(path) == [("llm", 50.0), ("web", 30.0), ("db", 20.0)]


def test_a_child_beyond_its_parent_is_cut() -> None:
    """Clocks differ; the path still fills the root's time and no more."""
    trace = grow(TRACE, [span(1, start=10, duration=10), span(2, 1, service="db", duration=100)])
    assert shares(critical_path(trace.root)) == [("db", 100.0)]
    assert critical_path(grow(TRACE, [span(1, duration=0)]).root) == []


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([span(1), span(2, 1)], None),
        ([span(1, failed=True), span(2, 1, failed=True), span(3, 2)], "2"),
        ([span(1, failed=True), span(2, 1, failed=True, start=9), span(3, 1, failed=True)], "3"),
        ([span(1, failed=True), span(2, 1), span(3, 2, failed=True)], "1"),
        ([span(1), span(2, 1, failed=True), span(3, 2, failed=True)], "3"),
        ([span(1, failed=True, start=9), span(2, 99, failed=True)], "1"),
    ],
    ids=["none", "deepest", "earliest", "not below a span that is well", "not the root", "orphan"],
)
def test_the_guilty_span_is_the_deepest_of_the_chain(
    spans: list[Span], expected: str | None
) -> None:
    """The chain of errors from the root leads to where the error began."""
    found = guilty(grow(TRACE, spans))
    assert (found and found.span.span_id) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (span(1, events=[Event(0, "exception", [("exception.type", "E")])]), "E"),
        (span(1, tags=[("error.type", "Timeout")]), "Timeout"),
        (span(1, tags=[("error.type", "x"), ("otel.status_description", "late")]), "late"),
        (span(1, tags=[("http.response.status_code", "503")]), "HTTP 503"),
        (
            span(1, tags=[("http.response.status_code", "503"), ("error.type", "503")]),
            "HTTP 503",
        ),
        (span(1), "no message"),
    ],
)
def test_a_failed_span_says_why(given: Span, expected: str) -> None:
    """From its exception, its status or its tags."""
    assert message(given) == expected


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (1000, "1 ms"),
        (999_499, "999 ms"),
        (999_500, "1 s"),
        (59_949_999, "59.9 s"),
        (60_000_000, "1 min 0 s"),
        (3_599_900_000, "1 h 0 min"),
        (7_500_000_000, "2 h 5 min"),
    ],
)
def test_durations_are_shown_in_the_unit_that_suits(microseconds: int, expected: str) -> None:
    """Three digits, never an exponent."""
    assert shown(microseconds) == expected


def test_ticks_and_percentages_are_short() -> None:
    """Five marks from zero to the whole; a decimal only where it matters."""
    assert ticks(2_000_000) == [(0, "0"), (25, "500 ms"), (50, "1 s"), (75, "1.5 s"), (100, "2 s")]
    assert [percent(each) for each in (0.01, 2.04, 9.96, 82.6)] == [
        "< 0.1 %",
        "2.0 %",
        "10 %",
        "83 %",
    ]


def test_a_search_is_asked_of_jaeger_in_its_own_terms() -> None:
    """A link to Jaeger's page finds here what it would find there."""
    fake = FakeJaeger(failing())
    before = int(time.time() * 1_000_000)
    page = client_of(fake).get(
        "/search",
        query_string={
            "service": "a/b",
            "operation": "op 1",
            "tags": '{"error":"true","peer.service":"l l m"}',
            "tag": "k:v",
            "minDuration": "100ms",
            "maxDuration": "1.5s",
            "lookback": "2d",
            "limit": "5",
            "unknown": "ignored",
        },
    )
    assert page.status_code == 200
    asked = fake.searched()
    assert json.loads(asked.pop("tags")) == {"error": "true", "peer.service": "l l m", "k": "v"}
    end, start = int(asked.pop("end")), int(asked.pop("start"))
    assert before <= end
    assert end - start == 172_800_000_000
    assert asked == {
        "service": "a/b",
        "operation": "op 1",
        "minDuration": "100000us",
        "maxDuration": "1500000us",
        "limit": "5",
    }
    assert any(each.url.raw_path == b"/api/services/a%2Fb/operations" for each in fake.asked)
    assert 'value="true" checked' in page.text
    assert "&#39;peer.service=l l m&#39; k=v" in page.text


def test_a_search_without_a_service_takes_the_gateway() -> None:
    """Within the last hour; what was found is told in a line each, the newest first."""
    older = json.loads(json.dumps(failing()).replace(TRACE, "e" * 32).replace(str(START), "1000"))
    older["spans"] = older["spans"][:1]
    fake = FakeJaeger(older, failing())
    page = client_of(fake).get("/search?errors=true").text
    asked = fake.searched()
    assert asked["service"] == "gateway"
    assert json.loads(asked["tags"]) == {"error": "true"}
    assert int(asked["end"]) - int(asked["start"]) == 3_600_000_000
    assert re.findall(r'href="/trace/(\w+)"', page) == [TRACE, "e" * 32]
    assert "llm: ProviderError: &lt;b&gt;overloaded" in page
    assert "2026-11-25" in page


def test_a_range_in_a_link_is_kept_by_the_form() -> None:
    """`start` and `end` win over `lookback`; the page offers to let go of them."""
    fake = FakeJaeger()
    page = client_of(fake).get("/search?service=gateway&start=5&end=9&lookback=1h").text
    assert (fake.searched()["start"], fake.searched()["end"]) == ("5", "9")
    assert '<input type="hidden" name="start" value="5">' in page
    assert "No trace of gateway matches" in page
    assert 'href="?service=gateway&amp;lookback=1h"' in page


def test_tags_are_written_as_they_are_typed() -> None:
    """Words in, words out."""
    fake = FakeJaeger()
    page = client_of(fake).get("/search", query_string={"tags": "a=1 'b c=2 3'"}).text
    assert json.loads(fake.searched()["tags"]) == {"a": "1", "b c": "2 3"}
    assert words({"a": "1", "b c": "2 3"}) == "a=1 'b c=2 3'"
    assert "a=1 &#39;b c=2 3&#39;" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"minDuration": "soon"}, "parameter minDuration='soon' is not valid: must be a duration"),
        ({"maxDuration": "<b>"}, "parameter maxDuration="),
        ({"minDuration": "2s", "maxDuration": "1s"}, "must be at least minDuration=2s"),
        ({"lookback": "yesterday"}, "parameter lookback='yesterday'"),
        ({"limit": "0"}, "a whole number from 1 to 200"),
        ({"limit": "many"}, "parameter limit='many' is not valid: must be a whole number from 1"),
        ({"limit": "201"}, "parameter limit='201' is not valid: must be a whole number from 1"),
        ({"limit": "1501", "start": "1"}, "parameter limit='1501'"),
        ({"limit": "9" * 5000}, "parameter limit='9999"),
        ({"start": "9", "end": "5"}, "must be before end=5"),
        ({"tags": "error"}, "must be words such as error=true"),
        ({"tags": '"'}, "must be words such as error=true"),
        ({"tags": "{"}, "must be a JSON object"),
        ({"tag": "error"}, "must be key:value"),
    ],
)
def test_bad_input_is_named_with_its_mend(query: dict[str, str], said: str) -> None:
    """400, with the form as it was filled; Jaeger is not troubled with it."""
    fake = FakeJaeger()
    answer = client_of(fake).get("/search", query_string=query)
    assert answer.status_code == 400
    assert said in answer.text.replace("&#39;", "'")
    assert "<b>" not in answer.text
    assert not [each for each in fake.asked if each.url.path == "/api/traces"]


def test_a_trace_shows_where_its_error_began() -> None:
    """The guilty span is open, marked, linked; its exception is there, obeyed by nobody."""
    page = client_of(FakeJaeger(failing())).get(f"/trace/{TRACE.upper()}?uiFind=x").text
    assert page.count("<details") == 3
    assert page.count(" open>") == 1
    opened = page[page.index('id="guilty" open') :]
    assert "the error begins here" in opened
    assert "ProviderError: &lt;b&gt;overloaded&lt;/b&gt;" in opened
    assert "<pre>Traceback\n  line 1\n</pre>" in opened
    assert "host.name" in opened
    assert 'href="#guilty"' in page
    assert "<b>llm</b> 72 %, <b>gateway</b> 28 %" in page
    begin, end = START // 1000 - 900_000, START // 1000 + 250 + 900_000
    link = f"/d/stack-service/service?var-service=llm&amp;from={begin}&amp;to={end}"
    assert link in page


def test_pages_need_no_inline_style_or_script() -> None:
    """The policy of their headers would not allow it."""
    client = client_of(FakeJaeger(failing()))
    for path in ("/search", f"/trace/{TRACE}"):
        answer = client.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"<style|style=|<script>|\son\w+=", answer.text)


def test_two_thousand_spans_are_shown_in_part_and_all_on_demand() -> None:
    """Those that failed are among the part, with their ancestors; a page takes under a second."""
    spans = [body(1, 0, "web"), *(body(n, n // 2, "web", duration=n) for n in range(2, 2001))]
    spans[1500]["tags"] = [tag("error", True)]
    client = client_of(FakeJaeger(document(*spans)))
    begun = time.process_time()
    page = client.get(f"/trace/{TRACE}").text
    assert time.process_time() - begun < 1
    assert 500 <= page.count("<details") <= 512
    assert "of 2000 spans are shown" in page
    assert 'id="guilty"' in page
    assert client.get(f"/trace/{TRACE}?all").text.count("<details") == 2000


def test_a_chain_of_two_thousand_spans_is_shown() -> None:
    """However deep it goes."""
    spans = [body(number, number - 1, "web") for number in range(1, 2001)]
    assert client_of(FakeJaeger(document(*spans))).get(f"/trace/{TRACE}").status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 0},
        {"startTime": 2**62, "duration": 2**62},
        {"references": None, "tags": None, "logs": None, "warnings": ["clock skew"]},
        {"operationName": ""},
    ],
    ids=["zero length", "far future", "nothing but what must be", "no name"],
)
def test_odd_traces_are_shown(fields: dict[str, Any]) -> None:
    """In the list and by themselves."""
    client = client_of(FakeJaeger(document(body(1, 0, "web", **fields))))
    assert client.get("/search").status_code == 200
    assert client.get(f"/trace/{TRACE}").status_code == 200


@pytest.mark.parametrize(
    ("trace_id", "status", "said"),
    [("abc", 404, "holds no trace abc"), ("x<y", 400, "is not 1 to 32 hex digits")],
)
def test_a_trace_that_is_not_there_is_said(trace_id: str, status: int, said: str) -> None:
    """With what may be the reason."""
    answer = client_of(FakeJaeger()).get(f"/trace/{trace_id}")
    assert answer.status_code == status
    assert said in answer.text


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def be_late(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("", request=request)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (refuse, "connection refused"),
        (be_late, "no answer in time"),
        (lambda _: httpx.Response(500, text="out of\nmemory"), "status 500: out of memory"),
        (lambda _: httpx.Response(200, text="<html>"), "GET http://jaeger.test:16686/api/"),
        (lambda _: httpx.Response(200, json=[1]), "GET http://jaeger.test:16686/api/"),
        (lambda _: httpx.Response(200, json={"data": {"a": 1}}), "no list in Jaeger's form"),
    ],
    ids=["refused", "late", "500", "no JSON", "no object", "no list"],
)
def test_without_jaeger_a_page_says_so_and_asks_again(handler: Handler, said: str) -> None:
    """503, what was asked and where; the browser reloads by itself."""
    client = client_of(handler)
    for path in ("/search", f"/trace/{TRACE}"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Refresh"]) == (503, "5")
        assert said in answer.text.replace("&#39;", "'")
        assert "http://jaeger.test:16686/api/" in answer.text


@pytest.mark.parametrize(
    "trace",
    [1, {"spans": [1]}, {"spans": [{}], "processes": {}}, document(body(1, 0, "a", startTime="x"))],
)
def test_what_is_no_trace_is_an_error(trace: Any) -> None:
    """Not a traceback."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": [trace]}))
    with pytest.raises(JaegerError, match="no trace in Jaeger's form"):
        Jaeger("http://jaeger.test", transport=transport).trace("abc")


def test_a_link_to_another_trace_is_no_parent() -> None:
    """A span that follows from one of its own trace hangs below it."""
    follows = {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "1"}
    elsewhere = {"refType": "CHILD_OF", "traceID": "e" * 32, "spanID": "9"}
    fake = FakeJaeger(document(body(1, 0, "a"), body(2, 0, "a", references=[elsewhere, follows])))
    found = Jaeger("http://jaeger.test", transport=httpx.MockTransport(fake)).trace(TRACE)
    assert found is not None
    assert [node.depth for node in found.nodes] == [0, 1]
    assert summary(found).name == "a: op 1"


class Walked(list[Node]):
    """Counts how often somebody goes through all nodes."""

    times = 0

    def __iter__(self) -> Iterator[Node]:
        self.times += 1
        return super().__iter__()


def test_a_bar_does_not_go_through_all_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page goes through them as often for a hundred as for ten: no work grows with its square."""
    times = []
    for count in (10, 100):
        grown = grow(TRACE, [span(1), *(span(n, n // 2, start=n) for n in range(2, count + 1))])
        nodes = Walked(grown.nodes)
        trace = replace(grown, nodes=nodes)
        monkeypatch.setattr(Jaeger, "trace", lambda self, _, trace=trace: trace)
        page = client_of(FakeJaeger()).get(f"/trace/{TRACE}?all").text
        assert page.count("<details") == count
        times.append(nodes.times)
    assert times[0] == times[1]


@pytest.mark.parametrize("parent", [lambda n: n // 2, lambda n: n - 1], ids=["wide", "deep"])
def test_no_page_shows_more_than_a_browser_bears(parent: Callable[[int], int]) -> None:
    """Not even of a chain whose last span failed; it says so and offers no more."""
    spans = [body(n, parent(n), "web") for n in range(1, MOST_ROWS + 101)]
    spans[-1]["tags"] = [tag("error", True)]
    client = client_of(FakeJaeger(document(*spans)))
    page = client.get(f"/trace/{TRACE}?all").text
    assert page.count("<details") == MOST_ROWS
    assert f"No page shows more than {MOST_ROWS}." in page
    assert "?all" not in page
    assert 'id="guilty"' in page
    part = client.get(f"/trace/{TRACE}").text
    assert part.count("<details") <= MOST_ROWS
    assert f"Show {MOST_ROWS}</a>" in part or parent(5) == 4


def test_a_search_keeps_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what has been told in a line nothing is left, though no garbage is collected."""
    found = [json.loads(json.dumps(failing()).replace(TRACE, f"{n:032x}")) for n in range(20)]
    alive = []

    def counted(trace: Any) -> Summary:
        alive.append(sum(isinstance(each, Span) for each in gc.get_objects()))
        return summary(trace)

    monkeypatch.setattr(pages, "summary", counted)
    gc.collect()
    before = sum(isinstance(each, Span) for each in gc.get_objects())
    gc.disable()
    try:
        page = client_of(FakeJaeger(*found)).get("/search").text
    finally:
        gc.enable()
    assert page.count('href="/trace/') == len(alive) == 20
    # The next is made while the last still has its name.
    assert max(alive) - before <= 2 * len(failing()["spans"])


def test_a_service_has_the_colour_of_its_dashboard() -> None:
    """On both pages, as an attribute; a stranger's means nothing."""
    assert {name: palette([name])[name] for name in colours.SERVICES} == {
        name: look.SERIES[name] for name in ("gateway", "retrieval", "llm", "inbox")
    }
    strangers = [f"stranger {number}" for number in range(30)]
    given = palette([*strangers, "gateway"])
    assert given["gateway"] == colours.BLUE
    assert not set(given.values()) & {look.GOOD, look.WARNING, look.BAD}
    assert len(set(palette([*strangers[: len(PALETTE) - 1], "gateway"]).values())) == len(PALETTE)
    client = client_of(FakeJaeger(failing()))
    for path in ("/search", f"/trace/{TRACE}"):
        page = client.get(path).text
        for name in ("gateway", "llm"):
            assert re.search(rf'fill="{look.SERIES[name]}"/></svg>{name}<', page)
    bars = re.findall(r'<rect fill="(#\w+)"(?: class="failed")? x=', page)
    assert bars == [colours.BLUE, colours.BLUE, colours.TEAL]


def test_the_console_needs_no_library_of_the_dashboards() -> None:
    """Its container does not have it."""
    code = "import sys; sys.modules['grafana_foundation_sdk'] = None; import stack.ops.console.app"
    subprocess.run([sys.executable, "-c", code], check=True)


def contrast(one: str, other: str) -> float:
    """Return how well two colours can be told apart, as WCAG 2 has it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_bars_and_words_stand_out(scheme: int) -> None:
    """Bars lie on the surface, whatever the row is on; no rule paints over their attribute."""
    static = HERE / "static"
    blocks = re.findall(r":root \{(.*?)\}", (static / "console.css").read_text(), re.DOTALL)
    of = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[scheme]))
    assert min(contrast(each, of["surface"]) for each in PALETTE) >= 3
    assert min(contrast(of["edge"], of[each]) for each in ("surface", "ground", "sunken")) >= 3
    words = [contrast(of[a], of[b]) for a in ("text", "soft") for b in ("surface", "sunken")]
    words += [contrast(of["bad"], of[each]) for each in ("surface", "sunken", "bad-ground")]
    assert min(words) >= 4.5
    css = (static / "traces.css").read_text()
    assert re.search(r"\.track \{[^}]*background: [^;}]*var\(--surface\);", css)
    assert not re.search(r"rect[^{.]*\{[^}]*fill", css)


def hostile(request: httpx.Request) -> httpx.Response:
    """Answer as a Jaeger does whose every text was written by an attacker."""
    if request.url.path == "/api/services" or request.url.path.endswith("/operations"):
        return httpx.Response(200, json={"data": [EVIL, f"2{EVIL}"]})
    if request.url.params.get("service") == f"unknown {EVIL}":
        return httpx.Response(200, json={"data": []})
    fields = [
        tag("event", EVIL),
        tag("exception.type", EVIL),
        tag("exception.message", EVIL),
        tag("exception.stacktrace", f"Traceback\n{EVIL}\n"),
        tag(EVIL, EVIL),
    ]
    told = document(
        body(
            1,
            0,
            EVIL,
            spanID=EVIL,
            operationName=EVIL,
            # What fails outlasts the root, so that the page names the root once more.
            duration=1000,
            tags=[tag("error", True), tag(EVIL, EVIL), tag("lines", f"\n{EVIL}")],
            logs=[{"timestamp": START, "fields": fields}],
        ),
        body(2, 0, EVIL),
        body(3, 0, f"2{EVIL}"),
    )
    told["processes"][EVIL]["tags"] = [tag(EVIL, EVIL)]
    told["traceID"] = EVIL
    for each in told["spans"]:
        each["traceID"] = EVIL
    return httpx.Response(200, json={"data": [told]})


ASKED = dict.fromkeys(("service", "operation", "minDuration", "maxDuration", "start", "end"), EVIL)


@pytest.mark.parametrize(
    ("path", "query", "least"),
    [
        ("/search", {}, 10),
        ("/search", {"service": "other", "tags": f"{shlex.quote(EVIL)}=1", "errors": "1"}, 8),
        ("/search", {"service": f"unknown {EVIL}"}, 6),
        ("/search", {"service": f"unknown {EVIL}", "operation": f"unknown {EVIL}"}, 8),
        ("/search", ASKED, 10),
        ("/search", {"lookback": EVIL, "limit": EVIL, "tags": EVIL, "operation": "no"}, 8),
        (f"/trace/{TRACE}", {}, 25),
        (f"/trace/{EVIL.replace('/', '')}", {}, 1),
    ],
)
def test_nothing_that_a_service_or_an_address_says_is_obeyed(
    path: str, query: dict[str, str], least: int
) -> None:
    """It stands on the page as it was written."""
    page = client_of(hostile).get(path, query_string=query).text
    own = re.sub(r'<script src="/static/traces.js" defer></script>', "", page)
    assert html.unescape(page).count("<img src=x onerror=alert(1)>") >= least
    # Even of a text that is cut short, or of quotes in an attribute.
    assert not re.search(r"<(/?scrip|img)", own)
