"""The inbox believes Alertmanager's last word, remembers the words before, and reads old files."""

import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.inbox import keeping, schema
from services.inbox.errors import StoreError
from services.inbox.payload import Notification
from services.inbox.query import Query
from services.inbox.store import Store

START = "2026-01-02T03:04:05Z"
END = "2026-01-02T03:10:05Z"
BEGAN = 1_767_323_045.0
ENDED = BEGAN + 360


def notification(status: str = "firing", **changes: Any) -> Notification:
    """Make the notification of one alert; `changes` are of the alert."""
    alert = {
        "status": status,
        "labels": {"alertname": "TargetDown", "service": "llm", "severity": "page"},
        "annotations": {"summary": "llm is down"},
        "startsAt": START,
        "endsAt": END if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "00ff",
        **changes,
    }
    return Notification.model_validate(
        {
            "version": "4",
            "groupKey": '{}:{alertname="TargetDown"}',
            "status": status,
            "receiver": "inbox",
            "groupLabels": {"alertname": "TargetDown"},
            "externalURL": "http://alertmanager:9093",
            "alerts": [alert],
        },
        strict=False,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "inbox.db")


def words(store: Store, fingerprint: str = "00ff") -> list[list[str]]:
    """Return the transitions of each occurrence, the last occurrence first."""
    return [
        [each["status"] for each in occurrence["transitions"]]
        for occurrence in store.occurrences(fingerprint)
    ]


def test_what_fires_again_since_the_same_start_is_open_again(store: Store) -> None:
    """Alertmanager ended it by its own timeout, then heard of it again: its last word holds."""
    store.add(notification(), BEGAN + 10)
    store.add(notification("resolved"), ENDED + 5)
    store.add(notification(), ENDED + 100)
    (kept,) = store.alerts()
    assert (kept["status"], kept["ends_at"], kept["resolve_delay_seconds"]) == (
        "firing",
        None,
        None,
    )
    assert (kept["deliveries"], kept["delivery_delay_seconds"]) == (3, 10.0)
    (occurrence,) = store.occurrences("00ff")
    assert [
        (each["status"], each["received_at"][11:19], each["ends_at"])
        for each in occurrence["transitions"]
    ] == [
        ("firing", "03:04:15", None),
        ("resolved", "03:10:10", "2026-01-02T03:10:05+00:00"),
        ("firing", "03:11:45", None),
    ]


def test_only_a_state_that_says_when_it_began_is_timed(store: Store) -> None:
    """Opened again it has the start of the first time, which says nothing of this delivery."""
    said = [
        ("firing", BEGAN + 10, 10.0),
        ("firing", BEGAN + 70, None),
        ("resolved", ENDED + 5, 5.0),
        ("resolved", ENDED + 65, None),
        ("firing", ENDED + 100, None),
        ("resolved", ENDED + 107, 107.0),
    ]
    for status, now, delay in said:
        (delivery,) = store.add(notification(status), now)
        assert delivery.delay == delay
    (kept,) = store.alerts()
    assert (kept["deliveries"], kept["resolve_delay_seconds"]) == (6, 107.0)


def test_repetitions_are_no_transitions(store: Store) -> None:
    """However often it is delivered: one entry, and one word for each change."""
    for now in range(5):
        store.add(notification(), BEGAN + now)
    for now in range(5):
        store.add(notification("resolved"), ENDED + now)
    (kept,) = store.alerts()
    assert (kept["deliveries"], kept["resolve_delay_seconds"]) == (10, 0)
    assert words(store) == [["firing", "resolved"]]


def test_a_moment_is_the_same_in_every_zone(store: Store) -> None:
    """The same start, written in another zone, makes no second alert."""
    store.add(notification(), BEGAN)
    store.add(notification(startsAt="2026-01-02T05:04:05+02:00"), BEGAN + 1)
    assert [each["deliveries"] for each in store.alerts()] == [2]


def test_a_later_start_ends_the_earlier_one(store: Store) -> None:
    """Alertmanager knows one alert of a fingerprint: what fires no more does not stay for ever."""
    store.add(notification(), BEGAN)
    store.add(notification(fingerprint="0bad"), BEGAN)
    store.add(notification(startsAt="2026-01-02T04:00:00.5Z"), BEGAN + 4000)
    assert words(store) == [["firing"], ["firing", "resolved"]]
    earlier = store.occurrences("00ff")[1]
    assert (earlier["status"], earlier["ends_at"]) == ("resolved", None)
    assert store.count(Query(status="firing")) == 2


def test_it_is_counted_how_often_an_alert_fired(store: Store) -> None:
    """Each occurrence once, and each time that it was opened again."""
    store.add(notification(), BEGAN)
    store.add(notification("resolved"), ENDED)
    store.add(notification(), ENDED + 60)
    store.add(notification(), ENDED + 120)
    store.add(notification(startsAt="2026-01-02T04:00:00Z"), BEGAN + 4000)
    assert store.fired_since("00ff", BEGAN) == 3
    assert store.fired_since("00ff", ENDED) == 2
    assert store.fired_since("beef", 0) == 0


def test_the_watchdog_is_heard_again_after_it_was_resolved(store: Store) -> None:
    """What was heard before its resolution stays known; what is heard after it counts."""
    watchdog: dict[str, Any] = {"labels": {"alertname": "Watchdog"}}
    assert store.watchdog_seen() is None
    store.add(notification(**watchdog), BEGAN)
    store.add(notification("resolved", **watchdog), BEGAN + 500)
    assert store.watchdog_seen() == BEGAN
    store.add(notification(**watchdog), BEGAN + 600)
    assert store.watchdog_seen() == BEGAN + 600


def test_what_fires_is_forgotten_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved alerts make room, also for one that fires for longer than all of them."""
    monkeypatch.setattr(keeping, "MAX_ALERTS", 3)
    store.add(notification(fingerprint="f"), BEGAN)
    for number in range(5):
        store.add(notification("resolved", fingerprint=f"{number}"), BEGAN + 10 + number)
    assert [each["fingerprint"] for each in store.alerts()] == ["4", "3", "f"]


def test_alerts_are_found_by_words(store: Store) -> None:
    """All of them, anywhere in labels and annotations, in any case and script."""
    texts = {"1": "Anfragen an den Prüfdienst scheitern", "2": "50% of requests fail"}
    for fingerprint, summary in texts.items():
        store.add(notification(fingerprint=fingerprint, annotations={"summary": summary}), BEGAN)

    def found(text: str) -> set[str]:
        return {each["fingerprint"] for each in store.alerts(Query(text=text))}

    assert found("PRÜFDIENST targetdown") == {"1"}
    assert found("50%") == {"2"}
    assert found("targetdown") == {"1", "2"}
    assert found("alertname") == set()
    assert found("") == {"1", "2"}


# The tables as they were before there were versions of them.
FIRST_TABLES = """
CREATE TABLE notification (
    id INTEGER PRIMARY KEY, received REAL NOT NULL, receiver TEXT NOT NULL, status TEXT NOT NULL,
    group_key TEXT NOT NULL, group_labels TEXT NOT NULL, alerts INTEGER NOT NULL,
    truncated INTEGER NOT NULL
);
CREATE TABLE alert (
    fingerprint TEXT NOT NULL, starts_at TEXT NOT NULL, alertname TEXT NOT NULL,
    status TEXT NOT NULL, labels TEXT NOT NULL, annotations TEXT NOT NULL, ends_at TEXT,
    generator_url TEXT NOT NULL, receiver TEXT NOT NULL, group_key TEXT NOT NULL,
    received REAL NOT NULL, updated REAL NOT NULL, delivery_delay REAL NOT NULL,
    resolve_delay REAL, deliveries INTEGER NOT NULL, PRIMARY KEY (fingerprint, starts_at)
);
CREATE INDEX alert_by_time ON alert (updated);
CREATE INDEX alert_by_name ON alert (alertname, updated);
INSERT INTO notification VALUES
    (1, 0, 'inbox', 'firing', 'k', '{"alertname": "Old"}', 1, 0),
    (2, 0, 'inbox', 'firing', 'k', '{"alertname": "TargetDown"}', 1, 0);
"""
ROW = """
INSERT INTO alert VALUES (?, '2026-01-02T03:04:05+00:00', ?, ?, '{"alertname": "TargetDown"}',
    '{}', ?, '', 'inbox', 'k', ?, ?, 10.0, ?, ?)
"""


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Make a database of the first version: one alert fires, one is resolved, and the Watchdog."""
    path = tmp_path / "first.db"
    end = "2026-01-02T03:10:05.250000+00:00"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST_TABLES)
        rows = [
            ("00ff", "TargetDown", "firing", None, BEGAN + 10, BEGAN + 90, None, 3),
            ("0bad", "TargetDown", "resolved", end, BEGAN + 10, ENDED + 900, 7.5, 2),
            ("0dea", "Watchdog", "firing", None, BEGAN, BEGAN + 600, None, 9),
        ]
        old.executemany(ROW, rows)
        old.commit()
    return path


def test_a_database_of_the_first_version_goes_on(first: Path) -> None:
    """All that it knew is shown, with groups and a history as far as it can be told."""
    store = Store(first)
    kept = {each["fingerprint"]: each for each in store.alerts()}
    assert set(kept) == {"00ff", "0bad", "0dea"}
    assert kept["00ff"]["group_labels"] == {"alertname": "TargetDown"}
    assert (kept["00ff"]["external_url"], kept["00ff"]["deliveries"]) == ("", 3)
    assert words(store) == [["firing"]]
    (resolved,) = store.occurrences("0bad")[0]["transitions"][1:]
    received = datetime.fromisoformat(resolved["received_at"]).timestamp()
    assert received == pytest.approx(ENDED + 0.25 + 7.5, abs=0.01)
    assert store.watchdog_seen() == BEGAN + 600
    store.add(notification(), BEGAN + 100)
    assert store.occurrences("00ff")[0]["deliveries"] == 4
    assert words(store) == [["firing"]]
    assert len(Store(first).notifications()) == 3


def test_a_file_of_this_version_is_not_written_at_its_opening(store: Store, tmp_path: Path) -> None:
    """So that an inbox starts on a full disk too."""
    store.add(notification(), time.time())
    before = (tmp_path / "inbox.db").read_bytes()
    Store(tmp_path / "inbox.db")
    assert (tmp_path / "inbox.db").read_bytes() == before


def test_an_old_database_without_room_is_left_as_it_was(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what mends it; when it is mended nothing is missing."""
    real = sqlite3.connect

    def bounded(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    before = first.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(sqlite3, "connect", bounded)
        with pytest.raises(StoreError, match="make room on it"):
            Store(first)
    assert first.read_bytes() == before
    assert len(Store(first).alerts()) == 3


def test_a_database_of_a_later_version_is_refused(store: Store, tmp_path: Path) -> None:
    """It may mean what this inbox does not understand; it is not touched."""
    path = tmp_path / "inbox.db"
    with closing(sqlite3.connect(path)) as later:
        later.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="start the newer inbox"):
        Store(path)
    assert path.read_bytes() == before
