"""What one delivery of an alert changes in the tables."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC

from services.inbox.payload import Alert, Notification

MAX_ALERTS = 10_000
MAX_NOTIFICATIONS = 5_000
MAX_TRANSITIONS = 40_000

# Alertmanager has the last word: what it calls firing again is open again.
_UPSERT = """
INSERT INTO alert (
    fingerprint, starts_at, alertname, status, labels, annotations, ends_at, generator_url,
    receiver, group_key, group_labels, external_url, received, updated, fired, delivery_delay,
    resolve_delay, deliveries
) VALUES (
    :fingerprint, :starts_at, :alertname, :status, :labels, :annotations, :ends_at, :generator_url,
    :receiver, :group_key, :group_labels, :external_url, :now, :now, :fired, :delivery_delay,
    :resolve_delay, 1
)
ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
    deliveries = deliveries + 1,
    updated = :now,
    fired = coalesce(:fired, fired),
    annotations = :annotations,
    generator_url = :generator_url,
    receiver = :receiver,
    group_key = :group_key,
    group_labels = :group_labels,
    external_url = :external_url,
    ends_at = iif(:status = 'firing', NULL, coalesce(:ends_at, ends_at)),
    resolve_delay = iif(:status = 'firing', NULL, coalesce(resolve_delay, :resolve_delay)),
    status = :status
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert as it came in.

    `delay` is in seconds, and None where nothing says when the state began: the state was known
    already, or an alert was opened again, whose start is that of the first time.
    """

    alert: Alert
    delay: float | None


def keep(
    connection: sqlite3.Connection, notification: Notification, alert: Alert, now: float
) -> Delivery:
    """Write one alert of a notification that came at `now`, in Unix seconds."""
    # The same moment is the same text, in whatever zone it came.
    starts_at = alert.starts_at.astimezone(UTC).isoformat()
    key = (alert.fingerprint, starts_at)
    known = connection.execute(
        "SELECT status FROM alert WHERE fingerprint = ? AND starts_at = ?", key
    ).fetchone()
    before = known["status"] if known else None
    resolved = alert.status == "resolved"
    ends_at = alert.ended.astimezone(UTC).isoformat() if alert.ended else None
    delay = max(0.0, now - (alert.ended or alert.starts_at).timestamp())
    connection.execute(
        _UPSERT,
        {
            "fingerprint": alert.fingerprint,
            "starts_at": starts_at,
            "alertname": alert.name,
            "status": alert.status,
            "labels": json.dumps(alert.labels),
            "annotations": json.dumps(alert.annotations),
            "ends_at": ends_at,
            "generator_url": alert.generator_url,
            "receiver": notification.receiver,
            "group_key": notification.group_key,
            "group_labels": json.dumps(notification.group_labels),
            "external_url": notification.external_url,
            "now": now,
            "fired": None if resolved else now,
            "delivery_delay": max(0.0, now - alert.starts_at.timestamp()),
            "resolve_delay": delay if resolved else None,
        },
    )
    if before != alert.status:
        _note(connection, key, alert.status, now, ends_at)
    _end_others(connection, key, now, all_of_them=not resolved)
    timed = before is None or (before == "firing" and resolved)
    return Delivery(alert, delay if timed else None)


def forget_the_oldest(connection: sqlite3.Connection) -> None:
    """Keep the tables within their bounds; what fires goes last."""
    for table, bound in (("notification", MAX_NOTIFICATIONS), ("transition", MAX_TRANSITIONS)):
        connection.execute(
            f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?",  # noqa: S608
            (bound,),
        )
    if connection.execute("SELECT count(*) FROM alert").fetchone()[0] > MAX_ALERTS:
        connection.execute(
            "DELETE FROM alert WHERE rowid IN (SELECT rowid FROM alert"
            " ORDER BY status = 'firing' DESC, updated DESC LIMIT -1 OFFSET ?)",
            (MAX_ALERTS,),
        )


def _end_others(
    connection: sqlite3.Connection, key: tuple[str, str], now: float, *, all_of_them: bool
) -> None:
    """End what still fires of another start: its resolution was never sent, and will not be.

    Alertmanager knows one alert of each fingerprint, so that a later start means an earlier end.
    It moves the start back when another Prometheus saw it earlier: what fires is the only one.
    """
    others = connection.execute(
        "UPDATE alert SET status = 'resolved', updated = ? WHERE fingerprint = ?"
        " AND status = 'firing' AND starts_at <> ? AND (? OR starts_at < ?) RETURNING starts_at",
        (now, *key, all_of_them, key[1]),
    ).fetchall()
    for row in others:
        _note(connection, (key[0], row["starts_at"]), "resolved", now, None)


def _note(
    connection: sqlite3.Connection,
    key: tuple[str, str],
    status: str,
    now: float,
    ends_at: str | None,
) -> None:
    connection.execute(
        "INSERT INTO transition VALUES (NULL, ?, ?, ?, ?, ?)", (*key, status, now, ends_at)
    )
