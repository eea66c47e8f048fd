"""A full disk costs the inbox nothing that it has stored, and nothing that comes after it."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from services.inbox.app import create_app
from services.inbox.errors import REASONS, StoreError
from services.inbox.settings import Settings

ROOT = Path(__file__).parents[2]
_numbers = count(1)


def notification() -> dict[str, Any]:
    """Make a payload unlike any before, of about 20 KB."""
    number = next(_numbers)
    alert = {
        "status": "firing",
        "labels": {"alertname": f"A{number}", "service": "llm", "severity": "page"},
        "annotations": {"summary": "x" * 9_000, "description": "y" * 9_000},
        "startsAt": "2026-01-02T03:04:05Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"{number:016x}",
    }
    return {
        "version": "4",
        "groupKey": "g",
        "status": "firing",
        "receiver": "inbox",
        "groupLabels": {},
        "alerts": [alert],
    }


def start(folder: Path) -> FlaskClient:
    """Start the inbox anew on the database of that folder."""
    return create_app(Settings(database_path=folder / "inbox.db")).test_client()


def stored(inbox: FlaskClient) -> set[str]:
    answer = inbox.get("/api/alerts?limit=10000")
    assert answer.status_code == 200, answer.text
    return {alert["labels"]["alertname"] for alert in answer.get_json()["alerts"]}


def fill(inbox: FlaskClient) -> set[str]:
    """Send until one is refused; return the names of those that were acknowledged."""
    acknowledged: set[str] = set()
    for _ in range(500):
        body = notification()
        answer = inbox.post("/api/v2/alerts", json=body)
        if answer.status_code != 200:
            assert answer.status_code == 503
            message = answer.get_json()["error"]["message"]
            assert "make room on it" in message
            assert "send it again" in message
            return acknowledged
        acknowledged.add(body["alerts"][0]["labels"]["alertname"])
    raise AssertionError("the disk is never full")


def goes_on(inbox: FlaskClient, acknowledged: set[str]) -> None:
    """What was acknowledged, and no more, is shown."""
    assert stored(inbox) == acknowledged
    assert f"<h1>{len(acknowledged)} firing</h1>" in inbox.get("/").text
    for name in sorted(acknowledged)[:5]:
        assert f"{name} " in inbox.get(f"/?alertname={name}").text
    assert inbox.get("/api/notifications").status_code == 200


def errors(reason: str) -> float:
    value = REGISTRY.get_sample_value("inbox_store_errors_total", {"reason": reason})
    assert value is not None
    return value


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Bound the database to a number of pages, of 4 KB; one that has more cannot grow."""
    real = sqlite3.connect
    allowed = 1_000_000

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {allowed}")
        return connection

    def bound(number: int) -> None:
        nonlocal allowed
        allowed = number

    monkeypatch.setattr(sqlite3, "connect", connect)
    return bound


def test_a_database_that_cannot_grow_is_kept_and_shown(
    tmp_path: Path, pages: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """503 with the mend, one log line, not ready, counted; stored again when there is room."""
    pages(40)
    inbox = start(tmp_path)
    before = errors("full")
    acknowledged = fill(inbox)
    assert len(acknowledged) >= 3
    body = notification()
    assert inbox.post("/api/v2/alerts", json=body).status_code == 503
    goes_on(inbox, acknowledged)
    ready = inbox.get("/readyz")
    assert ready.status_code == 503
    assert "is full: make room on it" in ready.get_json()["checks"]["storing"]
    assert errors("full") == before + 2
    assert "Alerts are not stored." in inbox.get("/").text
    goes_on(start(tmp_path), acknowledged)

    pages(1000)
    assert inbox.post("/api/v2/alerts", json=body).status_code == 200
    assert inbox.get("/readyz").status_code == 200
    assert "Alerts are not stored." not in inbox.get("/").text
    goes_on(inbox, acknowledged | {body["alerts"][0]["labels"]["alertname"]})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event_type"] == "database_failed"]
    assert line["level"] == "error"
    assert line["reason"] == "full"
    assert str(tmp_path / "inbox.db") in line["message"]
    assert len([line for line in lines if line["event_type"] == "database_recovered"]) == 1


def test_a_notification_is_stored_whole_or_not_at_all(
    tmp_path: Path, pages: Callable[[int], None]
) -> None:
    """The first alerts of one that does not fit leave nothing behind."""
    inbox = start(tmp_path)
    small = notification()
    assert inbox.post("/api/v2/alerts", json=small).status_code == 200
    pages(60)
    large = notification()
    large["alerts"] = [notification()["alerts"][0] for _ in range(40)]
    assert inbox.post("/api/v2/alerts", json=large).status_code == 503
    goes_on(inbox, {small["alerts"][0]["labels"]["alertname"]})
    pages(1000)
    assert inbox.post("/api/v2/alerts", json=large).status_code == 200
    assert len(stored(inbox)) == 41


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError as error:
        pytest.skip(f"a small disk cannot be mounted: {error}")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], timeout=20, check=True)


def fill_to_the_last_byte(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"x" * 512)
    assert os.statvfs(disk).f_bavail == 0


def test_a_full_disk_is_survived(small_disk: Path) -> None:
    """The real thing, to its last byte: nothing is lost, also by a process that starts on it."""
    (small_disk / "ballast").write_bytes(b"x" * 400_000)
    inbox = start(small_disk)
    acknowledged = fill(inbox)
    assert len(acknowledged) > 20
    fill_to_the_last_byte(small_disk)
    goes_on(inbox, acknowledged)
    assert inbox.post("/api/v2/alerts", json=notification()).status_code == 503

    again = start(small_disk)
    goes_on(again, acknowledged)
    body = notification()
    answer = again.post("/api/v2/alerts", json=body)
    assert answer.status_code == 503
    assert "is full: make room on it" in answer.get_json()["error"]["message"]
    assert again.get("/readyz").status_code == 503

    (small_disk / "ballast").unlink()
    assert again.post("/api/v2/alerts", json=body).status_code == 200
    assert again.get("/readyz").status_code == 200
    goes_on(start(small_disk), acknowledged | {body["alerts"][0]["labels"]["alertname"]})
    with closing(sqlite3.connect(small_disk / "inbox.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_database_with_a_write_ahead_log_is_taken_over(tmp_path: Path) -> None:
    """What an earlier version of the inbox left, its log not yet merged, is all there."""
    inbox = start(tmp_path)
    body = notification()
    old = sqlite3.connect(tmp_path / "inbox.db")
    assert old.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    # As long as it has the log in use, the log is not merged.
    assert old.execute("SELECT count(*) FROM alert").fetchone() == (0,)
    assert inbox.post("/api/v2/alerts", json=body).status_code == 200
    assert (tmp_path / "inbox.db-wal").stat().st_size > 0
    left = tmp_path / "left"
    left.mkdir()
    for path in tmp_path.glob("inbox.db*"):
        (left / path.name).write_bytes(path.read_bytes())
    old.close()
    assert stored(start(left)) == {body["alerts"][0]["labels"]["alertname"]}
    assert [path.name for path in left.iterdir()] == ["inbox.db"]


@pytest.mark.parametrize(
    ("code", "reason", "mend"),
    [
        (sqlite3.SQLITE_FULL, "full", "make room"),
        (sqlite3.SQLITE_IOERR_WRITE, "io", "quota"),
        (sqlite3.SQLITE_CANTOPEN, "cannot_open", "folder"),
        (sqlite3.SQLITE_READONLY, "read_only", "mount"),
        (sqlite3.SQLITE_BUSY, "locked", "end what else"),
        (sqlite3.SQLITE_CORRUPT, "damaged", "move it away"),
        (sqlite3.SQLITE_NOTADB, "damaged", "move it away"),
        (sqlite3.SQLITE_MISMATCH, "other", "does not work"),
    ],
)
def test_every_failure_has_a_reason_and_a_mend(code: int, reason: str, mend: str) -> None:
    """By SQLite's code, the extended ones too."""
    failure = sqlite3.OperationalError("as SQLite puts it")
    failure.sqlite_errorcode = code
    error = StoreError(Path("/data/inbox.db"), failure)
    assert error.reason == reason
    assert reason in REASONS
    assert mend in str(error)
    assert "/data/inbox.db" in str(error)
    assert "as SQLite puts it" in str(error)


def test_the_contract_names_what_is_seen_of_it() -> None:
    """The counter, from 0 for every reason, and the two log events."""
    contract = yaml.safe_load((ROOT / "services" / "inbox" / "telemetry.yaml").read_text())
    entry = {"name": "inbox_store_errors_total", "type": "counter", "labels": ["reason"]}
    assert entry in contract["metrics"]
    assert {"database_failed", "database_recovered"} <= set(contract["log_events"])
    for reason in REASONS:
        assert errors(reason) >= 0
