"""The console's pages show what dashboards' files say, and say what is wrong."""

import base64
import hashlib
import html
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.ops.console.app import CHARTS, create_app
from stack.ops.console.prometheus import CONNECTIONS
from stack.ops.console.settings import Settings
from tests.unit.console_parts import (
    END,
    EVIL,
    REAL,
    START,
    TIME,
    FakePrometheus,
    alert,
    charts,
    console,
    panel,
    words,
    write,
)

DASHBOARDS = REAL / "dashboards"
UIDS = sorted(f"stack-{path.stem}" for path in DASHBOARDS.glob("*.json"))
INLINE = re.compile(
    r'<script(?! type="application/json"| (type="module" )?src=)|\sstyle=|\son\w+=|javascript:'
)


@pytest.mark.parametrize("uid", UIDS)
def test_every_dashboard_of_this_project_is_shown(uid: str) -> None:
    """All panels are there, none has a problem, and each has a place on the grid."""
    client = console(DASHBOARDS, FakePrometheus(alerts=[alert("HighErrorRate", service="llm")]))
    answer = client.get(f"/d/{uid}/any-name?{TIME}")
    assert answer.status_code == 200
    assert "undefined" not in answer.text
    assert not re.search(r"\$\{?[a-z_]", words(answer.text)), "a variable is left"
    assert 'class="problem"' not in answer.text
    assert len(re.findall(r'<section class="cell panel', answer.text)) > 8
    assert all(chart["x"][0] == START for chart in charts(answer.text) if len(chart["x"]) > 100)
    grid = client.get("/grid.css").text
    for place in re.findall(r'class="cell (?:panel [\w-]+ )?([xywh\d ]+)"', answer.text):
        assert all(f".{each} {{" in grid for each in place.split())


@pytest.mark.parametrize("uid", UIDS)
def test_every_dashboard_is_shown_before_there_is_data(uid: str) -> None:
    """Where nothing was stored yet each panel says so."""
    answer = console(DASHBOARDS, FakePrometheus([], labels=[])).get(f"/d/{uid}?{TIME}")
    assert answer.status_code == 200
    assert 'class="problem"' not in answer.text
    assert charts(answer.text) == []


def test_the_first_page_is_the_overview() -> None:
    assert console(DASHBOARDS).get("/").location == "/d/stack-overview"


def test_dashboards_are_listed_on_every_page(tmp_path: Path) -> None:
    """With the time and the variables that are chosen."""
    query = {"type": "query", "name": "service", "query": "label_values(up, service)"}
    write(tmp_path, panel("stat", "up"), uid="a", templating={"list": [query]})
    write(tmp_path, panel("stat", "up"), uid="stack-overview", title="Overview")
    page = console(tmp_path).get("/d/a?from=now-5m&to=now&var-service=l%26m").text
    links = html.unescape("".join(re.findall(r'<a href="(/d/[^"]*)"', page)))
    assert links == (
        "/d/stack-overview?from=now-5m&to=now&var-service=l%26m"
        "/d/a?from=now-5m&to=now&var-service=l%26m"
    )
    assert "/d/a" in console(tmp_path).get("/alerts").text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=yesterday", "from='yesterday' is no time; write now-30m, now, or milliseconds"),
        ("to=now%2B5m", "to='now+5m' is no time"),
        ("from=now&to=now-5m", "from=now to=now-5m: `from` must be before `to`"),
        ("from=now-2000d", "from=now-2000d to=now: `from` must be before `to`, by a year at most"),
        (f"from={'9' * 15}", "from='999999999999999' is no time"),
        ("from=<img>", "from='<img>' is no time"),
    ],
    ids=["unreadable", "ahead", "reversed", "too far apart", "too many digits", "markup"],
)
def test_a_time_that_cannot_be_shown_is_refused(tmp_path: Path, asked: str, said: str) -> None:
    """The page names the field, its value and what would do, and leads on."""
    write(tmp_path, panel("stat", "up"))
    fake = FakePrometheus()
    answer = console(tmp_path, fake).get(f"/d/b?{asked}")
    assert answer.status_code == 400
    assert said in words(answer.text)
    assert '<a href="/d/b">' in answer.text
    assert "<img>" not in answer.text
    assert fake.asked == []


def test_an_unknown_dashboard_lists_those_there_are(tmp_path: Path) -> None:
    write(tmp_path, uid="one")
    write(tmp_path, uid="two")
    answer = console(tmp_path).get("/d/three")
    assert answer.status_code == 404
    assert "There is no dashboard 'three'; there are one, two." in words(answer.text)


def test_any_other_address_leads_back(tmp_path: Path) -> None:
    answer = console(tmp_path).get("/nothing")
    assert answer.status_code == 404
    assert "Not Found" in words(answer.text)
    assert '<a href="/">' in answer.text


@pytest.mark.parametrize("path", ["/d/stack-overview", "/d/stack-service", "/alerts"])
def test_a_page_waits_for_a_prometheus_that_is_away(path: str) -> None:
    """It says which one, tries again by itself and tells what to do."""
    answer = console(DASHBOARDS, FakePrometheus(away=True)).get(path)
    assert answer.status_code == 503
    assert answer.headers["Refresh"] == "5"
    text = words(answer.text)
    assert "http://prometheus.test does not answer: [Errno 111] Connection refused" in text
    assert "make logs SERVICE=prometheus" in text


def test_a_page_that_fails_leaves_nothing_to_ask_behind(tmp_path: Path) -> None:
    """Else each try would hold up the next, of a Prometheus that hangs."""
    write(tmp_path, *(panel("stat", "up") for _ in range(10 * CONNECTIONS)))
    fake = FakePrometheus(away=True, takes=0.05)
    assert console(tmp_path, fake).get("/d/b").status_code == 503
    time.sleep(0.3)
    assert len(fake.asked) <= 3 * CONNECTIONS


def test_a_prometheus_that_starts_is_waited_for(tmp_path: Path) -> None:
    """Before it is ready it answers with words of its own, no JSON."""
    write(tmp_path, panel("stat", "up"))
    settings = Settings(tmp_path, "http://p.test", "http://j.test", "http://a.test", 5)
    starting = httpx.MockTransport(lambda request: httpx.Response(503, text="Service Unavailable"))
    answer = create_app(settings, starting).test_client().get("/d/b")
    assert answer.status_code == 503
    assert "http://p.test answers with status 503 and no JSON of its own" in words(answer.text)


def test_a_refused_query_is_told_by_its_panel(tmp_path: Path) -> None:
    """In Prometheus' own words; the others are shown, and nothing is said to be well."""
    field = {"defaults": {"noValue": "all well"}}
    write(
        tmp_path,
        panel("stat", "bad(", fieldConfig=field),
        panel("table", "bad(", fieldConfig=field),
        panel("timeseries", "bad(", "up", target={"legendFormat": "{{service}}"}),
        panel("stat", "up"),
    )
    answer = console(tmp_path, FakePrometheus(refuses="bad(")).get(f"/d/b?{TIME}")
    assert answer.status_code == 200
    assert answer.text.count('class="problem"') == 3
    assert words(answer.text).count("1:5: parse error: <unexpected>") == 3
    assert "all well" not in answer.text
    (chart,) = charts(answer.text)
    assert [each["name"] for each in chart["series"]] == ["gateway", "llm"]
    assert "0.50" in words(answer.text)


def test_a_refused_variable_is_no_missing_prometheus(tmp_path: Path) -> None:
    """What Prometheus refuses is not asked again and again."""
    query = {"type": "query", "name": "v", "query": "label_values(bad{, service)"}
    write(tmp_path, templating={"list": [query]})
    answer = console(tmp_path, FakePrometheus(refuses="bad{")).get("/d/b")
    assert answer.status_code == 502
    assert "Refresh" not in answer.headers
    assert "parse error" in words(answer.text)


def test_a_broken_file_breaks_its_own_page_only(tmp_path: Path) -> None:
    """That page names it; the others are shown and listed."""
    write(tmp_path, panel("stat", "up"), uid="good")
    (tmp_path / "bad.json").write_text('{"uid": "bad", "title": "Bad", "panels": [{"id": 1}]}')
    client = console(tmp_path)
    answer = client.get("/d/bad")
    assert answer.status_code == 500
    assert f"{tmp_path / 'bad.json'} is no dashboard: KeyError(" in words(answer.text)
    assert 'href="/d/good' in answer.text
    assert client.get("/d/good").status_code == 200
    assert client.get("/alerts").status_code == 200


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"uid": "x", "title": "X", "panels": ["a"]}', '{"panels": []}', '"panels"'],
)
def test_files_that_are_no_dashboards_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    answer = console(tmp_path).get("/d/x")
    assert answer.status_code == 500
    assert "x.json is no dashboard" in words(answer.text)


def test_no_page_needs_what_the_policy_forbids(tmp_path: Path) -> None:
    """All have the policy; none has a script, a style or a handler in its own text."""
    text = panel("text", options={"content": "# Hi\n<b onclick=x>raw</b>"})
    write(tmp_path, text, panel("stat", "up"), panel("heatmap", "sum by (le) (x)"))
    kinds = ("timeseries", "gauge", "bargauge", "table", "state-timeline", "alertlist", "dashlist")
    write(tmp_path, *(panel(kind, "up") for kind in kinds), uid="c")
    client = console(tmp_path, FakePrometheus(alerts=[alert("A")]))
    for path in ("/d/b", "/d/c", "/d/none", "/d/b?from=x", "/alerts", "/nothing", "/grid.css"):
        answer = client.get(path)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "'unsafe" not in answer.headers["Content-Security-Policy"]
        assert not INLINE.search(re.sub(r"&lt;.*?&gt;", "", answer.text)), path


@pytest.mark.parametrize("name", CHARTS)
def test_the_drawing_library_is_what_it_is_said_to_be(tmp_path: Path, name: str) -> None:
    """A browser takes it only where the bytes have the hash that pages name."""
    write(tmp_path)
    client = console(tmp_path)
    served = client.get(f"/charts/{name}")
    digest = base64.b64encode(hashlib.sha256(served.data).digest()).decode()
    assert CHARTS[name] == f"sha256-{digest}"
    assert f'integrity="{html.escape(CHARTS[name])}"' in client.get("/d/b").text
    assert served.mimetype == ("text/css" if name.endswith("css") else "text/javascript")


def test_no_other_file_of_the_library_is_served(tmp_path: Path) -> None:
    assert console(tmp_path).get("/charts/app.js").status_code == 404
    assert console(tmp_path).get("/healthz").json == {"status": "ok"}


def test_what_prometheus_says_is_text(tmp_path: Path) -> None:
    """A label's value is no markup: in tables, tiles, legends, charts, choices and alerts."""
    kinds = ("stat", "gauge", "bargauge", "table", "timeseries", "state-timeline", "alertlist")
    panels = [panel(kind, "up", target={"legendFormat": "{{service}}"}) for kind in kinds]
    panels[-1]["options"] = {"stateFilter": {"firing": True}}
    content = panel("text", options={"content": "It is $several.\n\n<u>not</u> [x](javascript:y)"})
    query = {"type": "query", "query": "label_values(up, service)"}
    several = {**query, "name": "several", "multi": True, "includeAll": True}
    listed = [several, {**query, "name": "one"}]
    write(tmp_path, *panels, content, templating={"list": listed})
    fake = FakePrometheus(
        [({"service": EVIL}, 1.0), ({"service": "b"}, 2.0)],
        alerts=[alert(EVIL, service=EVIL)],
        labels=[EVIL],
        silenced=[{"labels": {}, "status": {"state": "suppressed"}}],
    )
    client = console(tmp_path, fake)
    page = client.get(f"/d/b?{TIME}").text + client.get("/alerts").text
    assert "<img" not in page
    assert "<u>" not in page
    assert 'href="javascript' not in page
    assert html.unescape(page).count(EVIL) > 10
    assert charts(page)[0]["series"][0]["name"] == EVIL


def test_panels_ask_at_the_same_time_but_not_too_much_at_once() -> None:
    fake = FakePrometheus(takes=0.01)
    console(DASHBOARDS, fake).get(f"/d/stack-overview?{TIME}")
    assert 1 < fake.most_at_once <= CONNECTIONS


def test_a_page_that_ends_now_is_kept_new(tmp_path: Path) -> None:
    """One with an end of its own is not."""
    write(tmp_path, panel("stat", "up"))
    client = console(tmp_path)
    assert 'data-refresh="10"' in client.get("/d/b?from=now-1h").text
    page = client.get(f"/d/b?{TIME}").text
    assert "data-refresh" not in page
    assert f'data-from="{float(START)}" data-to="{float(END)}"' in page
    assert f'data-to="{END}000" selected>chosen time<' in page


def test_variables_can_be_chosen(tmp_path: Path) -> None:
    """Of those that are asked for, what is chosen is marked; the hidden are not shown."""
    listed: list[dict[str, Any]] = [
        {"type": "datasource", "name": "ds", "query": "prometheus", "hide": 2},
        {"type": "custom", "name": "size", "query": "small, large", "includeAll": True},
        {"type": "query", "name": "s", "query": {"query": "label_values(service)"}, "multi": True},
    ]
    write(tmp_path, panel("stat", 'x{a=~"$size", s=~"$s"}'), templating={"list": listed})
    fake = FakePrometheus()
    page = console(tmp_path, fake).get("/d/b?var-size=large&var-s=llm&var-s=gone").text
    assert "var-ds" not in page
    assert '<option value="$__all">All</option>' in page
    assert "<option selected>large</option>" in page
    assert 'name="var-s" value="llm" checked' in page
    assert fake.queries()[-1:] == ['x{a=~"large", s=~"(llm|gone)"}']
    assert '<option value="$__all" selected>All</option>' in console(tmp_path).get("/d/b").text


def test_what_fires_is_listed_by_urgency(tmp_path: Path) -> None:
    """Firing before pending, pages before tickets; what nobody is told of says why."""
    status = {"state": "suppressed", "silencedBy": ["1"], "inhibitedBy": []}
    inhibited = {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["2"]}
    muted = {"state": "suppressed"}
    fake = FakePrometheus(
        alerts=[
            alert("Watchdog"),
            alert("Waits", "pending"),
            alert("Ticket", severity="ticket", service="a b"),
            alert("Odd", severity="strange"),
            alert("Page", cluster="<x>"),
        ],
        silenced=[
            {
                "labels": {"alertname": "Page", "severity": "page", "cluster": "<x>"},
                "status": status,
            },
            {"labels": {"alertname": "Odd", "severity": "strange"}, "status": inhibited},
            {"labels": {"alertname": "Waits", "severity": "page", "more": "x"}, "status": muted},
            {"labels": {"alertname": "Ticket"}, "status": muted},
        ],
    )
    page = console(tmp_path, fake).get("/alerts").text
    assert re.findall(r"<h2>(\w+)</h2>", page) == ["Page", "Ticket", "Odd", "Waits"]
    quiet = re.findall(r"for [\w ]+ · ([\w ]+)<", page)
    assert quiet == ["silenced", "inhibited by another", "muted at this hour"]
    assert "/search?service=a%20b&amp;" in page
    assert "cluster=&lt;x&gt;" in page


def test_what_fires_is_listed_without_alertmanager(tmp_path: Path) -> None:
    """It says that what is silenced is not known."""
    fake = FakePrometheus(alerts=[alert("Page")])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "alertmanager.test":
            raise httpx.ConnectError("refused")
        return fake(request)

    settings = Settings(tmp_path, "http://p.test", "http://j.test", "http://alertmanager.test", 5)
    page = create_app(settings, httpx.MockTransport(answer)).test_client().get("/alerts")
    assert page.status_code == 200
    assert "<h2>Page</h2>" in page.text
    known = "What is silenced is not known: http://alertmanager.test does not answer: refused"
    assert known in words(page.text)


def test_alerts_are_asked_for_where_they_are_listed(tmp_path: Path) -> None:
    write(tmp_path, panel("stat", "up"), uid="a")
    write(tmp_path, panel("alertlist"), uid="b")
    fake = FakePrometheus()
    client = console(tmp_path, fake)
    for uid, times in (("a", 0), ("b", 1)):
        client.get(f"/d/{uid}")
        assert sum(path == "/api/v1/alerts" for path, _ in fake.asked) == times


def test_nothing_fires(tmp_path: Path) -> None:
    page = console(tmp_path, FakePrometheus(alerts=[alert("Watchdog")])).get("/alerts").text
    assert "Nothing fires, and nothing is about to." in page
