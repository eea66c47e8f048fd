"""The tables, and how a database of an earlier version comes to have them."""

from __future__ import annotations

import sqlite3

# What each version adds, in order; to change the tables add a step, and leave those before it.
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE IF NOT EXISTS notification (
            id INTEGER PRIMARY KEY,
            received REAL NOT NULL,
            receiver TEXT NOT NULL,
            status TEXT NOT NULL,
            group_key TEXT NOT NULL,
            group_labels TEXT NOT NULL,
            alerts INTEGER NOT NULL,
            truncated INTEGER NOT NULL
        )
        """,
        """
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
        )
        """,
        "CREATE INDEX IF NOT EXISTS alert_by_time ON alert (updated)",
        "CREATE INDEX IF NOT EXISTS alert_by_name ON alert (alertname, updated)",
    ),
    (
        "ALTER TABLE alert ADD COLUMN group_labels TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE alert ADD COLUMN external_url TEXT NOT NULL DEFAULT ''",
        # When it was last delivered as firing, in Unix seconds.
        "ALTER TABLE alert ADD COLUMN fired REAL",
        """
        CREATE TABLE transition (
            id INTEGER PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            starts_at TEXT NOT NULL,
            status TEXT NOT NULL,
            received REAL NOT NULL,
            ends_at TEXT
        )
        """,
        "CREATE INDEX transition_by_alert ON transition (fingerprint, starts_at)",
        """
        UPDATE alert SET
            fired = iif(status = 'firing', updated, received),
            group_labels = coalesce(
                (SELECT n.group_labels FROM notification n
                 WHERE n.group_key = alert.group_key ORDER BY n.id DESC LIMIT 1), '{}')
        """,
        # What had fired was resolved at its end and the delay after it; 2440587.5 is 1970.
        """
        INSERT INTO transition
        SELECT NULL, * FROM (
            SELECT fingerprint, starts_at, 'firing', received AS at, NULL FROM alert
            WHERE status = 'firing' OR deliveries > 1
            UNION ALL
            SELECT fingerprint, starts_at, 'resolved', coalesce(
                (julianday(ends_at) - 2440587.5) * 86400.0 + resolve_delay, updated), ends_at
            FROM alert WHERE status = 'resolved'
        ) ORDER BY at
        """,
    ),
)
VERSION = len(_STEPS)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version; a database that has it is not written to.

    Args:
        connection: one that begins and ends its transactions itself.

    Raises:
        sqlite3.Error: it cannot be done; the database is as it was before.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        known = _version(connection)
        if known > VERSION:
            raise sqlite3.DatabaseError(
                f"its tables are of version {known}, this inbox knows {VERSION}:"
                " start the newer inbox, or move the file away"
            )
        for step in _STEPS[known:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        # A full disk has ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
