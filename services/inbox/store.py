"""Alerts in SQLite: kept before they are acknowledged, each once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.inbox.errors import StoreError
from services.inbox.payload import Alert, Notification, utc

WATCHDOG = "Watchdog"
MAX_ALERTS = 10_000
MAX_NOTIFICATIONS = 5_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notification (
    id INTEGER PRIMARY KEY,
    received REAL NOT NULL,
    receiver TEXT NOT NULL,
    status TEXT NOT NULL,
    group_key TEXT NOT NULL,
    group_labels TEXT NOT NULL,
    alerts INTEGER NOT NULL,
    truncated INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS alert (
    fingerprint TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    alertname TEXT NOT NULL,
    status TEXT NOT NULL,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL,
    ends_at TEXT,
    generator_url TEXT NOT NULL,
    receiver TEXT NOT NULL,
    group_key TEXT NOT NULL,
    received REAL NOT NULL,
    updated REAL NOT NULL,
    delivery_delay REAL NOT NULL,
    resolve_delay REAL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, starts_at)
);
CREATE INDEX IF NOT EXISTS alert_by_time ON alert (updated);
CREATE INDEX IF NOT EXISTS alert_by_name ON alert (alertname, updated);
"""
# A late `firing` must not open again what is resolved.
_UPSERT = """
INSERT INTO alert VALUES (
    :fingerprint, :starts_at, :alertname, :status, :labels, :annotations, :ends_at,
    :generator_url, :receiver, :group_key, :now, :now, :delay, :resolve_delay, 1
)
ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
    deliveries = deliveries + 1,
    updated = :now,
    annotations = :annotations,
    resolve_delay = coalesce(resolve_delay, :resolve_delay),
    ends_at = coalesce(:ends_at, ends_at),
    status = iif(status = 'resolved', 'resolved', :status)
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert as it came in; `delay` in seconds when it is the first time, else None."""

    alert: Alert
    delay: float | None


class Store:
    """Keeps alerts and notifications, the newest 10,000 and 5,000. Thread-safe and fork-safe.

    On a full disk it stays as it is and can be read, also by a process that has just started.

    Args:
        path: the database file.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connect() as connection:
            # A write-ahead log would need room on the disk for reading too.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.executescript(_SCHEMA)

    def add(self, notification: Notification, now: float) -> list[Delivery]:
        """Keep a notification, all of it or nothing; when this returns it is on the disk.

        Args:
            notification: what came.
            now: when it came, in Unix seconds.

        Raises:
            StoreError: it could not be kept; what was kept before is.
        """
        with self._transaction() as connection:
            deliveries = [
                _keep(connection, notification, alert, now) for alert in notification.alerts
            ]
            connection.execute(
                "INSERT INTO notification VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
                (
                    now,
                    notification.receiver,
                    notification.status,
                    notification.group_key,
                    json.dumps(notification.group_labels),
                    len(notification.alerts),
                    notification.truncated_alerts,
                ),
            )
            _forget_the_oldest(connection)
        return deliveries

    def alerts(
        self, alertname: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return the alerts that changed last, the last first."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM alert WHERE coalesce(:name, alertname) = alertname"
                " AND coalesce(:status, status) = status ORDER BY updated DESC, rowid LIMIT :limit",
                {"name": alertname, "status": status, "limit": limit},
            ).fetchall()
        return [_alert(row) for row in rows]

    def notifications(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the last notifications, the last first."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM notification ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [
            {
                "received_at": utc(row["received"]),
                "receiver": row["receiver"],
                "status": row["status"],
                "group_key": row["group_key"],
                "group_labels": json.loads(row["group_labels"]),
                "alerts": row["alerts"],
                "truncated_alerts": row["truncated"],
            }
            for row in rows
        ]

    def watchdog_seen(self) -> float | None:
        """Return when the Watchdog fired here last, in Unix seconds; None for never."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT max(updated) FROM alert WHERE alertname = ? AND status = 'firing'",
                (WATCHDOG,),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def check(self) -> None:
        """Make sure that the database can be read, and locked for writing.

        Raises:
            StoreError: it cannot.
        """
        with self._transaction() as connection:
            connection.execute("SELECT count(*) FROM alert")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                # A full disk has ended the transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one piece of work: none is kept over a fork."""
        try:
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
            try:
                connection.row_factory = sqlite3.Row
                # An acknowledged alert survives a power cut too: the folder is written out as well.
                connection.execute("PRAGMA synchronous = EXTRA")
                # Sorting needs no room on a disk.
                connection.execute("PRAGMA temp_store = MEMORY")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(self._path, error) from error


def _keep(
    connection: sqlite3.Connection, notification: Notification, alert: Alert, now: float
) -> Delivery:
    starts_at = alert.starts_at.isoformat()
    key = (alert.fingerprint, starts_at)
    before = connection.execute(
        "SELECT status FROM alert WHERE fingerprint = ? AND starts_at = ?", key
    ).fetchone()
    ended = alert.ended
    since = ended if ended is not None else alert.starts_at
    delay = max(0.0, now - since.timestamp())
    connection.execute(
        _UPSERT,
        {
            "fingerprint": alert.fingerprint,
            "starts_at": starts_at,
            "alertname": alert.name,
            "status": alert.status,
            "labels": json.dumps(alert.labels),
            "annotations": json.dumps(alert.annotations),
            "ends_at": ended.isoformat() if ended else None,
            "generator_url": alert.generator_url,
            "receiver": notification.receiver,
            "group_key": notification.group_key,
            "now": now,
            "delay": max(0.0, now - alert.starts_at.timestamp()),
            "resolve_delay": delay if alert.status == "resolved" else None,
        },
    )
    first = before is None or (before["status"] == "firing" and alert.status == "resolved")
    return Delivery(alert, delay if first else None)


def _forget_the_oldest(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM notification WHERE id <= (SELECT max(id) FROM notification) - ?",
        (MAX_NOTIFICATIONS,),
    )
    connection.execute(
        "DELETE FROM alert WHERE rowid IN"
        " (SELECT rowid FROM alert ORDER BY updated DESC LIMIT -1 OFFSET ?)",
        (MAX_ALERTS,),
    )


def _alert(row: sqlite3.Row) -> dict[str, Any]:
    known = dict(row)
    return {
        "fingerprint": known["fingerprint"],
        "status": known["status"],
        "labels": json.loads(known["labels"]),
        "annotations": json.loads(known["annotations"]),
        "starts_at": known["starts_at"],
        "ends_at": known["ends_at"],
        "received_at": utc(known["received"]),
        "updated_at": utc(known["updated"]),
        "delivery_delay_seconds": round(known["delivery_delay"], 3),
        "resolve_delay_seconds": known["resolve_delay"] and round(known["resolve_delay"], 3),
        "deliveries": known["deliveries"],
        "generator_url": known["generator_url"],
        "receiver": known["receiver"],
        "group_key": known["group_key"],
    }
