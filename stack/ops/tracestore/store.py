"""Spans in SQLite, bounded by age and size."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from stack.ops.tracestore.search import Search
from stack.tracing.jaeger_span import JaegerSpan

_SCHEMA = """
CREATE TABLE IF NOT EXISTS process (id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS span (
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    service TEXT NOT NULL,
    operation TEXT NOT NULL,
    kind TEXT NOT NULL,
    start INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    received REAL NOT NULL,
    process INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (trace_id, span_id, service)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS span_by_service ON span (service, start);
CREATE INDEX IF NOT EXISTS span_by_time ON span (received);
"""
_COLUMNS = "trace_id, span_id, parent_id, service, operation, kind, start, duration"
# How often age and size are looked at, and how much is forgotten at once.
_PRUNE_SECONDS = 5.0
_PRUNE_ROWS = 2000


class Store:
    """Keeps spans. Thread-safe; to be made after a fork.

    What `add` has returned from survives the process being killed.

    Args:
        path: the database file.
        max_age: seconds after which a span is forgotten.
        max_bytes: size above which the oldest are forgotten.
        clock: Unix seconds.

    Raises:
        sqlite3.Error: the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_age: float,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._clock = clock
        self._writing = threading.Lock()
        self._local = threading.local()
        self._pruned_at = 0.0
        with self._connection() as connection:
            connection.executescript(_SCHEMA)

    def add(self, spans: Sequence[JaegerSpan]) -> None:
        """Keep spans; one that is there already is replaced."""
        now = self._clock()
        with self._writing, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self._rows(connection, spans, now),
            )
            connection.execute("COMMIT")
            if now - self._pruned_at >= _PRUNE_SECONDS:
                self._pruned_at = now
                self._prune(connection, now)

    def services(self) -> list[str]:
        """List the services that have spans."""
        return [row[0] for row in self._all("SELECT DISTINCT service FROM span ORDER BY 1")]

    def operations(self, service: str, kind: str = "") -> list[tuple[str, str]]:
        """List a service's operations with the kinds of their spans; all kinds when none given."""
        return self._all(
            "SELECT DISTINCT operation, kind FROM span WHERE service = ? AND ? IN ('', kind)"
            " ORDER BY 1, 2",
            (service, kind),
        )

    def trace(self, trace_id: str) -> list[JaegerSpan]:
        """Return a trace's spans; none when it is not known."""
        rows = self._all(
            f"SELECT {_COLUMNS}, content, body FROM span JOIN process ON id = process"  # noqa: S608
            " WHERE trace_id = ?",
            (trace_id,),
        )
        return [_span(row) for row in rows]

    def find(self, search: Search) -> list[JaegerSpan]:
        """Return all spans of the newest traces that have a matching span."""
        conditions = ["service = ?", "start BETWEEN ? AND ?", "duration BETWEEN ? AND ?"]
        values: list[Any] = [search.service, search.start, search.end]
        values += [search.shortest, search.longest]
        if search.operation:
            conditions.append("operation = ?")
            values.append(search.operation)
        query = (
            f"SELECT trace_id, body, content FROM span JOIN process ON id = process"  # noqa: S608
            f" WHERE {' AND '.join(conditions)} ORDER BY start DESC"
        )
        newest: dict[str, None] = {}
        with self._connection() as connection:
            for trace_id, body, content in connection.execute(query, values):
                if trace_id not in newest and search.matches(_tags(body, content)):
                    newest[trace_id] = None
                    if len(newest) >= search.limit:
                        break
        return [span for trace_id in newest for span in self.trace(trace_id)]

    def dependencies(self, start: int, end: int) -> list[tuple[str, str, int]]:
        """Count calls between services: caller, called, calls; microseconds."""
        return self._all(
            "SELECT parent.service, child.service, count(*) FROM span AS child"
            " JOIN span AS parent"
            " ON parent.trace_id = child.trace_id AND parent.span_id = child.parent_id"
            " WHERE child.start BETWEEN ? AND ? AND parent.service != child.service"
            " GROUP BY 1, 2 ORDER BY 1, 2",
            (start, end),
        )

    def count(self) -> int:
        """Count the spans."""
        return int(self._all("SELECT count(*) FROM span")[0][0])

    def size(self) -> int:
        """Return the bytes that hold something."""
        with self._connection() as connection:
            return _used(connection)

    def _rows(
        self, connection: sqlite3.Connection, spans: Iterable[JaegerSpan], now: float
    ) -> Iterator[tuple[Any, ...]]:
        processes: dict[int, int] = {}
        for span in spans:
            # Spans of one request share the object that says where they come from.
            process = processes.get(id(span.process))
            if process is None:
                process = processes[id(span.process)] = _process_id(connection, span.process)
            yield (
                span.trace_id,
                span.span_id,
                span.parent_id,
                span.service,
                span.operation,
                span.kind,
                span.start,
                span.duration,
                now,
                process,
                orjson.dumps(span.body),
            )

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute("DELETE FROM span WHERE received < ?", (now - self._max_age,))
        while _used(connection) > self._max_bytes:
            oldest = connection.execute(
                "DELETE FROM span WHERE (trace_id, span_id, service) IN"
                " (SELECT trace_id, span_id, service FROM span ORDER BY received LIMIT ?)",
                (_PRUNE_ROWS,),
            )
            if not oldest.rowcount:
                break
        connection.execute("DELETE FROM process WHERE id NOT IN (SELECT process FROM span)")

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection; a transaction that failed is undone."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
            # Enough for a killed process; only a power cut may lose the last moments.
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            connection.execute("PRAGMA cache_size = -4000")
            self._local.connection = connection
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _process_id(connection: sqlite3.Connection, process: dict[str, Any]) -> int:
    content = orjson.dumps(process)
    connection.execute("INSERT OR IGNORE INTO process (content) VALUES (?)", (content,))
    row = connection.execute("SELECT id FROM process WHERE content = ?", (content,)).fetchone()
    return int(row[0])


def _span(row: Sequence[Any]) -> JaegerSpan:
    *fields, content, body = row
    return JaegerSpan(*(*fields, orjson.loads(content), orjson.loads(body)))


def _tags(body: bytes, content: bytes) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] = orjson.loads(body)["tags"] + orjson.loads(content)["tags"]
    return tags


def _used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
