"""What the environment says about the documents and the index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the documents are, and where the index goes; None for a temporary file."""

    docs_dir: Path = REPOSITORY
    database_path: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `DOCS_DIR` and `DATABASE_PATH`.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        docs_dir = Path(environ.get("DOCS_DIR") or REPOSITORY)
        if not docs_dir.is_dir():
            raise ConfigurationError("DOCS_DIR", str(docs_dir), "an existing folder")
        database = environ.get("DATABASE_PATH")
        if database and Path(database).is_dir():
            raise ConfigurationError("DATABASE_PATH", database, "a file, not a folder")
        return cls(docs_dir=docs_dir, database_path=Path(database) if database else None)
