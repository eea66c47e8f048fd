"""Alerts in SQLite: kept before they are acknowledged, each once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.inbox.errors import StoreError
from services.inbox.keeping import Delivery, forget_the_oldest, keep
from services.inbox.payload import Notification, utc
from services.inbox.query import Query, has_words
from services.inbox.schema import upgrade

WATCHDOG = "Watchdog"


class Store:
    """Keeps alerts and notifications, the newest 10,000 and 5,000. Thread-safe and fork-safe.

    On a full disk it stays as it is and can be read, also by a process that has just started.

    Args:
        path: the database file; one of an earlier version is brought to this one.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connect() as connection:
            # A write-ahead log would need room on the disk for reading too.
            connection.execute("PRAGMA journal_mode = DELETE")
            upgrade(connection)

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
                keep(connection, notification, alert, now) for alert in notification.alerts
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
            forget_the_oldest(connection)
        return deliveries

    def alerts(
        self, query: Query | None = None, limit: int = 100, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return the alerts that changed last, the last first, without the first `offset`."""
        query = query or Query()
        with self._connect() as connection:
            rows = connection.execute(
                f"SELECT * FROM alert WHERE {Query.WHERE}"  # noqa: S608
                " ORDER BY updated DESC, rowid LIMIT :limit OFFSET :offset",
                {**query.parameters(), "limit": limit, "offset": offset},
            ).fetchall()
        return [_alert(row) for row in rows]

    def count(self, query: Query) -> int:
        """Return how many alerts there are."""
        with self._connect() as connection:
            row = connection.execute(
                f"SELECT count(*) FROM alert WHERE {Query.WHERE}",  # noqa: S608
                query.parameters(),
            ).fetchone()
        return int(row[0])

    def values(self, label: str) -> list[str]:
        """List what a label of the alerts says, each once."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT DISTINCT json_extract(labels, ?) AS value FROM alert"
                " WHERE value IS NOT NULL ORDER BY value",
                (f'$."{label}"',),
            ).fetchall()
        return [row["value"] for row in rows]

    def occurrences(self, fingerprint: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return each time that an alert was there, the last first, each with its `transitions`."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM alert WHERE fingerprint = ? ORDER BY starts_at DESC LIMIT ?",
                (fingerprint, limit),
            ).fetchall()
            changes = connection.execute(
                "SELECT * FROM transition WHERE fingerprint = ? ORDER BY id", (fingerprint,)
            ).fetchall()
        found = [{**_alert(row), "transitions": []} for row in rows]
        by_start = {each["starts_at"]: each["transitions"] for each in found}
        for change in changes:
            if change["starts_at"] in by_start:
                by_start[change["starts_at"]].append(_transition(change))
        return found

    def fired_since(self, fingerprint: str, since: float) -> int:
        """Return how often an alert began to fire, or fired again, since a Unix time."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM transition"
                " WHERE fingerprint = ? AND status = 'firing' AND received >= ?",
                (fingerprint, since),
            ).fetchone()
        return int(row[0])

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

    def left_out(self) -> dict[str, int]:
        """Return how many alerts Alertmanager left out of its last word on a group, if any."""
        with self._connect() as connection:
            # SQLite takes the other columns from the row that has the maximum.
            rows = connection.execute(
                "SELECT group_key, truncated, max(id) FROM notification GROUP BY group_key"
            ).fetchall()
        return {row["group_key"]: row["truncated"] for row in rows if row["truncated"]}

    def watchdog_seen(self) -> float | None:
        """Return when the Watchdog fired here last, in Unix seconds; None for never."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT max(fired) FROM alert WHERE alertname = ?", (WATCHDOG,)
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def version(self) -> int:
        """Return a number that grows with every notification."""
        with self._connect() as connection:
            row = connection.execute("SELECT coalesce(max(id), 0) FROM notification").fetchone()
        return int(row[0])

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
                connection.create_function("has_words", 3, has_words, deterministic=True)
                # An acknowledged alert survives a power cut too: the folder is written out as well.
                connection.execute("PRAGMA synchronous = EXTRA")
                # Sorting needs no room on a disk.
                connection.execute("PRAGMA temp_store = MEMORY")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(self._path, error) from error


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
        "group_labels": json.loads(known["group_labels"]),
        "external_url": known["external_url"],
    }


def _transition(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "status": row["status"],
        "received_at": utc(row["received"]),
        "ends_at": row["ends_at"],
    }
