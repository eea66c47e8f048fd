"""The inbox keeps each alert once, before it says so, and refuses what it cannot understand."""

import copy
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from services.inbox.app import create_app
from services.inbox.settings import Settings
from stack.errors import ConfigurationError

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"


def moment(seconds_ago: float) -> str:
    """Return a time as Alertmanager writes it, with nanoseconds."""
    then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def notification(**changes: Any) -> dict[str, Any]:
    """Make one alert's notification; `changes` are of the alert."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "TargetDown", "service": "llm", "severity": "page"},
        "annotations": {"summary": "llm is down", "runbook_url": "http://x/runbooks/TargetDown"},
        "startsAt": "2026-01-02T03:04:05.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "00ff00ff00ff00ff",
        **changes,
    }
    return {
        "version": "4",
        "groupKey": '{}:{alertname="TargetDown"}',
        "truncatedAlerts": 0,
        "status": alert["status"],
        "receiver": "inbox",
        "groupLabels": {"alertname": "TargetDown"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [alert],
    }


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
def start(database: Path) -> Callable[[], FlaskClient]:
    """Start the inbox anew on the same database."""

    def begin() -> FlaskClient:
        settings = Settings(database_path=database, runbooks_dir=RUNBOOKS, jaeger_url="http://j")
        return create_app(settings).test_client()

    return begin


@pytest.fixture
def inbox(start: Callable[[], FlaskClient]) -> FlaskClient:
    return start()


def send(inbox: FlaskClient, body: Any) -> int:
    return inbox.post("/api/v2/alerts", json=body).status_code


def alerts(inbox: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    body = inbox.get(f"/api/alerts{query}").get_json()
    found: list[dict[str, Any]] = body["alerts"]
    return found


def test_an_alert_is_kept_over_a_restart(
    inbox: FlaskClient, start: Callable[[], FlaskClient]
) -> None:
    """What was acknowledged is there for the next process."""
    assert send(inbox, notification()) == 200
    (kept,) = alerts(start())
    assert kept["labels"]["service"] == "llm"
    assert (kept["status"], kept["deliveries"]) == ("firing", 1)


def test_the_same_alert_is_kept_once(inbox: FlaskClient) -> None:
    """A delivery that is repeated counts, and makes no second alert."""
    for _ in range(3):
        send(inbox, notification())
    (kept,) = alerts(inbox)
    assert kept["deliveries"] == 3
    send(inbox, notification(startsAt="2026-01-02T04:00:00Z"))
    assert len(alerts(inbox)) == 2


def test_delay_is_measured_at_the_first_arrival(inbox: FlaskClient) -> None:
    """Repetitions, which come late by nature, do not count as slow delivery."""
    labels = {"alertname": "Slow", "status": "firing", "severity": "page"}
    name = "alert_delivery_delay_seconds"
    body = notification(startsAt=moment(20), labels={"alertname": "Slow", "severity": "page"})
    send(inbox, body)
    send(inbox, body)
    assert REGISTRY.get_sample_value(f"{name}_count", labels) == 1
    assert REGISTRY.get_sample_value(f"{name}_sum", labels) == pytest.approx(20, abs=5)
    assert REGISTRY.get_sample_value("alerts_received_total", labels) == 2
    assert alerts(inbox)[0]["delivery_delay_seconds"] == pytest.approx(20, abs=5)


def test_alerts_are_filtered_and_limited(inbox: FlaskClient) -> None:
    """By name, by status, by number; the last changed first."""
    for number in range(5):
        labels = {"alertname": f"A{number % 2}"}
        send(inbox, notification(fingerprint=f"{number:016x}", labels=labels))
    assert len(alerts(inbox, "?alertname=A0")) == 3
    assert alerts(inbox, "?status=resolved") == []
    assert len(alerts(inbox, "?text=a1+IS+down")) == 2
    assert len(alerts(inbox, "?text=LLM+is+down&severity=")) == 5
    assert alerts(inbox, "?severity=page") == []
    assert len(alerts(inbox, "?limit=2")) == 2


@pytest.mark.parametrize(
    "query", ["?status=open", "?limit=0", "?limit=x", "?limit=99999", f"?text={'x' * 201}"]
)
def test_bad_parameters_are_named(inbox: FlaskClient, query: str) -> None:
    """The message says which parameter and what is allowed."""
    answer = inbox.get(f"/api/alerts{query}")
    assert answer.status_code == 400
    assert answer.get_json()["error"]["field"] == query[1:].partition("=")[0]


def test_the_watchdog_is_heard_and_missed(database: Path) -> None:
    """Ok within its time, silent after it, never before the first."""

    def watched(timeout: float) -> FlaskClient:
        return create_app(Settings(database_path=database, watchdog_timeout=timeout)).test_client()

    def state(client: FlaskClient) -> str:
        return str(client.get("/api/alerts").get_json()["watchdog"]["state"])

    inbox = watched(300)
    assert state(inbox) == "never"
    send(inbox, notification(labels={"alertname": "Watchdog"}))
    assert state(inbox) == "ok"
    seen = REGISTRY.get_sample_value("inbox_watchdog_last_seen_timestamp_seconds")
    assert seen == pytest.approx(time.time(), abs=10)
    silent = watched(1)
    ends = time.monotonic() + 10
    while state(silent) != "silent" and time.monotonic() < ends:
        time.sleep(0.05)
    assert "silent" in silent.get("/").text


def without(*path: str | int) -> dict[str, Any]:
    body = copy.deepcopy(notification())
    place: Any = body
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return body


def with_value(value: Any, *path: str | int) -> dict[str, Any]:
    body = copy.deepcopy(notification())
    place: Any = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (with_value("3", "version"), "version"),
        (with_value(4, "version"), "version"),
        (without("version"), "version"),
        (without("groupKey"), "groupKey"),
        (with_value({}, "alerts"), "alerts"),
        (with_value([], "alerts"), "alerts"),
        (with_value("maybe", "alerts", 0, "status"), "alerts.0.status"),
        (with_value({"a": 1}, "alerts", 0, "labels"), "alerts.0.labels.a"),
        (with_value("yesterday", "alerts", 0, "startsAt"), "alerts.0.startsAt"),
        (with_value("2026-01-02T03:04:05", "alerts", 0, "startsAt"), "alerts.0.startsAt"),
        (with_value("../../etc", "alerts", 0, "fingerprint"), "alerts.0.fingerprint"),
        ([], None),
        ("text", None),
    ],
)
def test_wrong_payloads_are_refused_by_field(
    inbox: FlaskClient, body: Any, field: str | None
) -> None:
    """400, with the field, what stands there and what is expected."""
    answer = inbox.post("/api/v2/alerts", json=body)
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert error["field"] == field
    assert "version 4" in error["message"]
    assert alerts(inbox) == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (json.dumps(notification())[:-40].encode(), "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 100_000, "application/json", 400),
        (b"x" * 10_000_000, "application/json", 413),
        (b'{"version": "4"}', "text/plain", 415),
    ],
)
def test_damaged_bodies_are_refused(
    inbox: FlaskClient, data: bytes, content_type: str, status: int
) -> None:
    """Cut, empty, no UTF-8, nested without end, too long, of another type."""
    answer = inbox.post("/api/v2/alerts", data=data, content_type=content_type)
    assert answer.status_code == status
    assert answer.get_json()["error"]["message"]


def test_an_alert_is_kept_whatever_it_lacks_or_has_too_much_of(inbox: FlaskClient) -> None:
    """Alertmanager does not send again what is refused: no name, long prose, many alerts."""
    odd = notification(labels={"service": "llm"}, generatorURL="http://x/" + "q" * 20_000)
    odd["alerts"][0]["annotations"] = {"summary": "short", "description": "d" * 20_000}
    send(inbox, odd)
    (kept,) = alerts(inbox)
    assert kept["labels"] == {"service": "llm"}
    assert kept["annotations"]["summary"] == "short"
    assert kept["annotations"]["description"] == "d" * 9_999 + "…"
    assert "An alert without a name" in inbox.get("/", headers={"accept": "text/html"}).text
    full = notification()
    full["alerts"] = [
        {**full["alerts"][0], "fingerprint": f"{n:x}", "annotations": {"description": "d" * 7_000}}
        for n in range(500)
    ]
    send(inbox, full)
    assert len(alerts(inbox, "?limit=10000")) == 501


def test_one_alert_is_told_with_its_history(inbox: FlaskClient) -> None:
    """Every occurrence with its transitions; one that is unknown is 404 with the reason."""
    send(inbox, notification())
    send(inbox, notification(status="resolved", endsAt="2026-01-02T03:10:00Z"))
    send(inbox, notification())
    body = inbox.get("/api/alerts/00ff00ff00ff00ff").get_json()
    assert (body["fingerprint"], body["fired_in_last_7_days"]) == ("00ff00ff00ff00ff", 2)
    (occurrence,) = body["occurrences"]
    assert occurrence["external_url"] == "http://alertmanager:9093"
    assert occurrence["group_labels"] == {"alertname": "TargetDown"}
    assert [each["status"] for each in occurrence["transitions"]] == [
        "firing",
        "resolved",
        "firing",
    ]
    missing = inbox.get("/api/alerts/beef")
    assert missing.status_code == 404
    assert "'beef'" in missing.get_json()["error"]["message"]


def test_runbooks_are_pages(inbox: FlaskClient) -> None:
    """The alerts' links lead to them; what is no runbook is 404."""
    page = inbox.get("/runbooks/CircuitBreakerOpen")
    assert page.status_code == 200
    assert "<h2>Meaning</h2>" in page.text
    assert 'href="TargetDown"' in page.text
    assert ".md" not in page.text
    index = inbox.get("/runbooks/").text
    assert 'href="CircuitBreakerOpen"' in index
    for name in ("Nope", "..%2f..%2fREADME", "README.md", "a" * 200):
        assert inbox.get(f"/runbooks/{name}").status_code == 404


def test_notifications_are_listed(inbox: FlaskClient) -> None:
    """Group by group, as they came, the last first."""
    send(inbox, notification())
    send(inbox, notification(status="resolved"))
    found = inbox.get("/api/notifications").get_json()["notifications"]
    assert [each["status"] for each in found] == ["resolved", "firing"]
    assert found[0]["group_labels"] == {"alertname": "TargetDown"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_PATH", "/nonexistent/inbox.db"),
        ("DATABASE_PATH", "/"),
        ("WATCHDOG_TIMEOUT_SECONDS", "soon"),
        ("WATCHDOG_TIMEOUT_SECONDS", "0"),
        ("JAEGER_URL", "javascript:x"),
    ],
)
def test_bad_settings_are_named(variable: str, value: str) -> None:
    """The message names the variable and what it holds."""
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_env({variable: value})


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    """The file is left as it is."""
    path = tmp_path / "inbox.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="DATABASE_PATH"):
        create_app(Settings(database_path=path))
    assert path.read_bytes().startswith(b"no database")
