"""The inbox' pages: what is wrong first, as Alertmanager grouped it, light however much it is."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient

from services.inbox import times
from services.inbox.app import create_app
from services.inbox.links import silence_command, silence_link
from services.inbox.pages import HEARD_WITHIN
from services.inbox.settings import Settings

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
PERSON = {"accept": "text/html"}
PAGE_BYTES = 300_000


def moment(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()


def alert(fingerprint: str, *, status: str = "firing", began: float = 60, **labels: str) -> Any:
    """Make an alert that began so many seconds ago; it ended, if so, a second ago."""
    return {
        "status": status,
        "labels": {"alertname": "HighLatency", "service": "llm", "severity": "page", **labels},
        "annotations": {"summary": f"summary of {fingerprint}", "description": "p95 is 1.4 s"},
        "startsAt": moment(began),
        "endsAt": moment(1) if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint,
    }


@pytest.fixture
def inbox(tmp_path: Path) -> FlaskClient:
    settings = Settings(
        database_path=tmp_path / "inbox.db", runbooks_dir=RUNBOOKS, jaeger_url="http://j"
    )
    return create_app(settings).test_client()


@pytest.fixture
def send(inbox: FlaskClient) -> Callable[..., None]:
    """Send alerts as one group."""

    def deliver(
        *alerts: Any, group: str = "g", labels: dict[str, str] | None = None, truncated: int = 0
    ) -> None:
        body = {
            "version": "4",
            "groupKey": group,
            "status": alerts[0]["status"],
            "receiver": "inbox",
            "groupLabels": {"alertname": "HighLatency", "service": "llm"}
            if labels is None
            else labels,
            "externalURL": "http://alertmanager:9093",
            "truncatedAlerts": truncated,
            "alerts": list(alerts),
        }
        assert inbox.post("/api/v2/alerts", json=body).status_code == 200

    return deliver


Send = Callable[..., None]


def before(text: str, *parts: str) -> bool:
    """Tell whether the parts stand in the text, each after the one before."""
    for part in parts:
        _, found, text = text.partition(part)
        if not found:
            return False
    return True


def test_an_empty_inbox_claims_no_more_than_it_knows(inbox: FlaskClient, send: Send) -> None:
    """Without a Watchdog nobody knows whether something is wrong."""
    page = inbox.get("/")
    assert "Whether alerts arrive is not known yet" in page.text
    assert "whether one should be is not known" in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    send(alert("1", alertname="Watchdog", severity="info"))
    page = inbox.get("/")
    assert "Nothing is wrong that a rule knows of" in page.text
    assert "<title>Inbox</title>" in page.text


def test_the_gravest_comes_first_in_its_group(inbox: FlaskClient, send: Send) -> None:
    """Pages, tickets, information, what has no severity; then what is resolved."""
    send(alert("0", status="resolved"), group="over")
    for place, severity in enumerate(["info", "", "ticket", "page"]):
        send(alert(f"{place}", severity=severity), group=f"of {severity}")
    page = inbox.get("/").text
    assert "<title>(4) Inbox</title>" in page
    assert "<h1>4 firing</h1>" in page
    summaries = [f">summary of {place}<" for place in (3, 2, 0, 1)]
    assert before(page, *[f"<h4>{each[1:]}" for each in summaries], 'id="resolved"')


def test_an_alert_is_shown_whole(inbox: FlaskClient, send: Send) -> None:
    """What, since when, how it arrived, and where it leads."""
    body = alert("ab", began=125, instance="llm:8002")
    body["annotations"] |= {"runbook_url": "http://x/runbooks/HighLatency", "value": "1.4 s"}
    body["annotations"]["dashboard_url"] = "http://grafana/d/1"
    send(body)
    send(body)
    page = unescape(inbox.get("/").text)
    for part in (
        "summary of ab",
        "p95 is 1.4 s",
        "value 1.4 s",
        ">2 min ago</time>",
        f">{times.exact(body['startsAt'])}</time>",
        "arrived after 2 min",
        "delivered 2 times",
        "instance=llm:8002",
        'href="http://x/runbooks/HighLatency"',
        'href="http://prometheus/graph"',
        'href="http://j/search?service=llm',
        'href="http://grafana/d/1"',
        'href="/alerts/ab"',
        'href="http://alertmanager:9093/#/silences/new?filter=',
        "amtool silence add --alertmanager.url=http://alertmanager:9093",
    ):
        assert part in page


def test_nothing_that_came_in_is_obeyed(inbox: FlaskClient, send: Send) -> None:
    """Not as HTML, not as a script, not as an address, nor as an option of this page's own."""
    body = alert("bad", alertname="<script>alert(1)</script>", severity='"><i>')
    body["annotations"] = {"summary": "<b>s</b>", "runbook_url": "javascript:alert(1)"}
    body["generatorURL"] = "data:text/html,x"
    send(body, labels={"alertname": "<img src=x>"})
    asked = "?text=%22%3E%3Cscript%3E&_external=1&_scheme=javascript&page=1"
    for page in (inbox.get("/"), inbox.get("/alerts/bad"), inbox.get(f"/{asked}")):
        assert page.status_code == 200
        for wrong in ("<script>", "<img src=x", "<b>s", "<i>", 'href="javascript', 'href="data'):
            assert wrong not in page.text


@pytest.mark.parametrize("severity", ["unseen", "skip", "copy", "resolved firing"])
def test_a_severity_cannot_hide_an_alert(inbox: FlaskClient, send: Send, severity: str) -> None:
    """One that nobody knows is shown as it is, and is no class of the page's style."""
    send(alert("1", severity=severity))
    page = inbox.get("/").text
    assert f'<span class="tag ">{severity}</span>' in page
    assert '<details class="group "' in page


def test_the_group_shows_what_its_heading_does_not(inbox: FlaskClient, send: Send) -> None:
    """Two alerts of one name and service are told apart by their component."""
    send(alert("1", component="llm"), alert("2", component="retrieval"))
    page = inbox.get("/").text
    assert '<li class="label">component=llm</li>' in page
    assert '<li class="label">component=retrieval</li>' in page
    assert "service=llm" not in page.partition("<h4>")[2].partition('class="links"')[0]


def test_what_is_no_longer_heard_of_is_said_to_be(
    inbox: FlaskClient, send: Send, tmp_path: Path
) -> None:
    """What ended while it was silenced or inhibited is never told as ended: it may be over."""

    def older(seconds: float) -> None:
        with sqlite3.connect(tmp_path / "inbox.db") as database:
            database.execute("UPDATE alert SET updated = updated - ?", (seconds,))
        database.close()

    begun = alert("1")
    send(begun)
    send(alert("2", status="resolved"))
    older(HEARD_WITHIN - 60)
    assert "Not heard of" not in inbox.get("/").text
    older(120)
    said = "Not heard of for 26 min: it is silenced, kept back by another alert, or over."
    assert inbox.get("/").text.count(said) == 1
    assert inbox.get("/alerts/1").text.count(said) == 1
    assert "Not heard of" not in inbox.get("/alerts/2").text
    send(begun)
    assert "Not heard of" not in inbox.get("/").text


def test_alerts_that_were_not_sent_are_counted(inbox: FlaskClient, send: Send) -> None:
    """Alertmanager sends the first of a large group; the last word on it says how many more."""
    send(alert("1"), truncated=300)
    send(alert("2"), group="another")
    said = "Alertmanager has 300 more alerts of this group that it did not send."
    assert inbox.get("/").text.count(said) == 1
    send(alert("1"), truncated=1)
    assert "Alertmanager has 1 more alert of this group" in inbox.get("/").text
    send(alert("1"))
    assert "did not send" not in inbox.get("/").text


def test_filters_narrow_the_list(inbox: FlaskClient, send: Send) -> None:
    """By severity, service and words, together; the title goes on counting all that fires."""
    send(alert("1", service="llm"), alert("2", service="gateway", severity="ticket"))
    send(alert("3", service="gateway"), alert("beef", status="resolved"), group="other")

    def shown(query: str) -> set[str]:
        page = inbox.get(f"/?{query}").text
        assert "<title>(3) Inbox</title>" in page
        return {each for each in ("1", "2", "3", "beef") if f"summary of {each}<" in page}

    assert shown("") == {"1", "2", "3", "beef"}
    assert shown("severity=ticket") == {"2"}
    assert shown("service=gateway&severity=page") == {"3"}
    assert shown("text=BEEF+summary") == {"beef"}
    assert shown("status=resolved") == {"beef"}
    assert shown("status=firing") == {"1", "2", "3"}
    page = inbox.get("/?service=gateway").text
    assert "2 of 3 match" in page
    assert "<option selected>gateway</option>" in page
    assert "None of the 3 firing alerts matches" in inbox.get("/?text=nowhere").text


def test_a_group_is_named_as_it_was_grouped(inbox: FlaskClient, send: Send) -> None:
    """By its labels; without any by what its alerts share."""
    send(alert("1"), labels={"service": "llm", "alertname": "HighLatency"})
    assert '<span class="unseen">service </span>llm' in inbox.get("/").text
    send(alert("2", alertname="Other"), alert("3"), group="all", labels={})
    assert "<h3>Several alerts</h3>" in inbox.get("/").text


@pytest.mark.parametrize("groups", [1, 25, 500])
def test_five_hundred_alerts_are_a_light_page(inbox: FlaskClient, send: Send, groups: int) -> None:
    """In one group or in many; each of them can be reached."""
    numbers = list(range(500))
    for group in range(groups):
        members = [alert(f"{n:x}", instance=f"i{n}") for n in numbers if n % groups == group]
        send(*members, group=f"g{group}", labels={"alertname": "HighLatency", "g": f"{group}"})
    page = inbox.get("/")
    assert len(page.data) < PAGE_BYTES
    assert "<h1>500 firing</h1>" in page.text
    assert page.text.count('<details class="group page"') == min(groups, 40)
    assert 1 <= page.text.count(" open>") <= 15
    reached: set[str] = set()
    todo, done = ["/"], set()
    while todo:
        address = todo.pop()
        done.add(address)
        page = inbox.get(address)
        assert len(page.data) < PAGE_BYTES
        reached |= {part.partition("<")[0] for part in page.text.split("<h4>summary of ")[1:]}
        links = {unescape(part.partition('"')[0]) for part in page.text.split('href="')[1:]}
        todo += [each for each in links if each.startswith("/?") and each not in done | {*todo}]
    assert reached == {f"{n:x}" for n in numbers}


def test_long_texts_do_not_make_a_long_list(inbox: FlaskClient, send: Send) -> None:
    """The list cuts what the alert's own page shows whole."""
    body = alert("1")
    body["labels"] |= {f"l{n}": "x" * 3_000 for n in range(30)}
    body["annotations"] = {"summary": "s" * 9_000, "description": "d" * 9_000}
    body["generatorURL"] = f"http://prometheus/{'q' * 9_000}"
    send(body)
    assert len(inbox.get("/").data) < 10_000
    whole = inbox.get("/alerts/1").text
    assert "d" * 9_000 in whole
    assert "l29=" in whole


def test_resolved_alerts_are_paged(inbox: FlaskClient, send: Send) -> None:
    """The last ten on the first page, all of them on pages of fifty."""
    send(*[alert(f"{n:x}", status="resolved") for n in range(120)])

    def shown(address: str) -> int:
        return inbox.get(address).text.count('<p class="what">')

    assert shown("/") == 10
    assert "All 120 resolved alerts" in inbox.get("/").text
    assert [shown(f"/?status=resolved&page={page}") for page in (1, 2, 3)] == [50, 50, 20]
    assert shown("/?status=resolved&page=99") == 20
    assert shown("/?status=firing") == 0


def test_the_page_is_sent_again_only_when_it_changed(inbox: FlaskClient, send: Send) -> None:
    """A browser that asks each few seconds costs little; another filter is another page."""
    first = inbox.get("/")
    etag = {"If-None-Match": first.headers["ETag"]}
    assert inbox.get("/", headers=etag).status_code == 304
    assert inbox.get("/?severity=page", headers=etag).status_code == 200
    send(alert("1"))
    changed = inbox.get("/", headers=etag)
    assert changed.status_code == 200
    assert "summary of 1" in changed.text


def test_the_history_tells_every_transition(inbox: FlaskClient, send: Send) -> None:
    """That it was resolved in between, and each earlier occurrence."""
    start = moment(3_000)
    again = {**alert("f"), "startsAt": start}
    send({**alert("f", status="resolved"), "startsAt": moment(9_000)})
    send(again)
    send({**again, "status": "resolved", "endsAt": moment(100)})
    send(again)
    page = inbox.get("/alerts/f").text
    assert "Fired 2 times in the last 7 days" in page
    assert page.count('class="panel occurrence"') == 2
    assert before(page, times.exact(start), ">firing<", ">resolved<", "opened again", "lasted 2 h")
    assert inbox.get("/alerts/beef").status_code == 404


def test_the_silent_watchdog_says_what_to_do(tmp_path: Path) -> None:
    """When it was heard last, and where help is."""
    path = tmp_path / "inbox.db"
    watched = create_app(Settings(database_path=path, watchdog_timeout=1)).test_client()
    body = {
        "version": "4",
        "groupKey": "w",
        "status": "firing",
        "receiver": "dead-man",
        "alerts": [alert("1", alertname="Watchdog")],
    }
    assert watched.post("/api/v2/alerts", json=body).status_code == 200
    assert "Alerts arrive" in watched.get("/").text
    ends = time.monotonic() + 10
    while "No alert would arrive" not in (page := watched.get("/").text):
        assert time.monotonic() < ends, "the Watchdog is never missed"
        time.sleep(0.1)
    assert 'href="/runbooks/Watchdog"' in page
    assert "Nothing is wrong" not in page


def test_errors_are_pages_for_people(inbox: FlaskClient) -> None:
    """A browser gets a page with the way back, a program JSON."""
    for address in ("/alerts/beef", "/runbooks/Nope", "/?page=0", "/?status=x", "/nowhere"):
        page = inbox.get(address, headers=PERSON)
        assert page.status_code in {400, 404}
        assert 'href="/"' in page.text
        assert "error" in inbox.get(address).get_json()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 days"),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, words: str) -> None:
    """Seconds, minutes, hours, days."""
    assert times.duration(seconds) == words


HOSTILE = {
    "alertname": 'It\'s "down"',
    "path": "C:\\x {a=~b}, $(id) `id`",
    "two.parts": "ümlaut\nline",
}


def test_the_silence_is_of_this_alert_alone(tmp_path: Path) -> None:
    """Whatever its labels say, a shell and amtool read them as they are."""
    of = {"labels": HOSTILE, "external_url": "http://alertmanager:9093/"}
    link = silence_link(of)
    assert link is not None
    filled = unquote(link.removeprefix("http://alertmanager:9093/#/silences/new?filter="))
    assert filled.startswith('{alertname="It\'s \\"down\\"",path="C:\\\\x {a=~b}, $(id) `id`"')
    fake = tmp_path / "amtool"
    fake.write_text('#!/bin/sh\nfor each in "$@"; do printf "%s\\0" "$each"; done\n')
    fake.chmod(0o755)
    said = subprocess.run(
        ["/bin/sh", "-c", silence_command(of)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.split("\0")[:-1]
    assert said[:3] == ["silence", "add", "--alertmanager.url=http://alertmanager:9093/"]
    assert said[-3:] == [
        f"{name if name.isalpha() else json.dumps(name)}={json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(HOSTILE.items())
    ]


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", f"http://{'x' * 3000}"])
def test_an_address_that_is_none_is_no_link(url: str) -> None:
    """The command then takes amtool's own configuration."""
    of = {"labels": HOSTILE, "external_url": url}
    assert silence_link(of) is None
    assert "alertmanager.url" not in silence_command(of)
