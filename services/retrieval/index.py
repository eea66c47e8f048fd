"""The search index: one SQLite file with a full-text table, written once and only read then."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from services.retrieval.sections import Section
from services.retrieval.terms import match_expression, name_of, names_in, names_split

# A word in the title tells most of what a section is about, one in its text least.
_RANK = "bm25(words, 8.0, 4.0, 1.0)"

_SCHEMA = """
CREATE TABLE section (id INTEGER PRIMARY KEY, name, path, title, heading, anchor, text);
CREATE VIRTUAL TABLE words USING fts5(
    title, heading, body, content='', tokenize='porter unicode61 remove_diacritics 2'
);
"""
# A document whose file has the name that the question names stands before all others.
_SEARCH = f"""
SELECT path, section.title, section.heading, anchor, text, {_RANK}
FROM words JOIN section ON section.id = words.rowid
WHERE words MATCH ?
ORDER BY ifnull(name IN (SELECT value FROM json_each(?)), 0) DESC, 6, section.id LIMIT ?
"""  # noqa: S608

_tracer = trace.get_tracer("retrieval.index")


@dataclass(frozen=True, slots=True)
class Passage:
    """A section that matches a question; a higher score matches better."""

    section: Section
    score: float


class Index:
    """Reads an index file. Thread-safe and fork-safe: each thread opens its own connection.

    Args:
        path: the file that `build` wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()

    def search(self, question: str, limit: int) -> list[Passage]:
        """Return the sections that match best.

        Args:
            question: free text; any of its words may match.
            limit: how many passages at most.

        Raises:
            sqlite3.Error: the index cannot be read.
        """
        expression = match_expression(question)
        if not expression:
            return []
        names = json.dumps(names_in(question))
        rows = self._query(_SEARCH, (expression, names, limit))
        return [Passage(Section(*row[:5]), round(-float(row[5]), 4)) for row in rows]

    def count(self) -> int:
        """Return how many sections there are."""
        (row,) = self._query("SELECT count(*) FROM section", ())
        return int(row[0])

    def _query(self, sql: str, values: tuple[str | int, ...]) -> list[tuple[str, ...]]:
        statement = " ".join(sql.split())
        attributes = {
            "db.system.name": "sqlite",
            "db.operation.name": "SELECT",
            "db.collection.name": "section",
            "db.query.text": statement,
        }
        with _tracer.start_as_current_span(
            "SELECT section",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            set_status_on_exception=False,
        ) as span:
            try:
                rows = self._connection().execute(statement, values).fetchall()
            except sqlite3.Error as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise
            span.set_attribute("db.response.returned_rows", len(rows))
            return rows

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection; one must not be carried over a fork."""
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != os.getpid():
            # The file is replaced, never changed: SQLite may leave out its locks.
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            held = self._local.held = (os.getpid(), sqlite3.connect(uri, uri=True))
        return held[1]


def build(path: Path, sections: Iterable[Section]) -> Index:
    """Write the index file; whoever reads an older one meanwhile keeps it whole.

    Args:
        path: the file to write or replace; its folder is made.
        sections: what to search in.

    Raises:
        OSError: the file cannot be written.
        sqlite3.Error: SQLite lacks FTS5, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        _write(name, sections)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return Index(path)


def _write(name: str, sections: Iterable[Section]) -> None:
    with closing(sqlite3.connect(name)) as connection, connection:
        connection.executescript(_SCHEMA)
        for number, each in enumerate(sections, start=1):
            row = (number, name_of(each.path), *astuple(each))
            connection.execute("INSERT INTO section VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            words = (
                f"{part} {names_split(part)}" for part in (each.title, each.heading, each.text)
            )
            connection.execute(
                "INSERT INTO words (rowid, title, heading, body) VALUES (?, ?, ?, ?)",
                (number, *words),
            )
