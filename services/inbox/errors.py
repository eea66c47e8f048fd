"""A database that cannot be used: why, and what mends it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

# SQLite's primary result codes; several that have one mend are one reason.
_REASONS = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
_MENDS = {
    "full": "the disk of {path} is full: make room on it",
    "io": "{path} cannot be written or read: mend its disk, or raise its quota",
    "cannot_open": "{path} cannot be opened: its folder must be there, and writable",
    "read_only": "{path} is read-only: mount its disk, or own the file, for writing",
    "locked": "{path} is locked: end what else holds it",
    "damaged": "{path} is damaged: move it away and restart",
    "other": "{path} does not work",
}
REASONS = tuple(_MENDS)


class StoreError(Exception):
    """The database could not be used; the message names the mend.

    Args:
        path: the database.
        error: what SQLite says.
    """

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        primary_code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        self.reason = _REASONS.get(primary_code, "other")
        super().__init__(f"{_MENDS[self.reason].format(path=path)} ({error})")
