"""What the environment says about the documents and the index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.environment import file_to_write, folder, read

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
        return cls(
            docs_dir=read(environ, "DOCS_DIR", folder, REPOSITORY),
            database_path=read(environ, "DATABASE_PATH", file_to_write, None),
        )
