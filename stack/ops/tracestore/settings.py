"""What the environment says about the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.environment import file_to_write, integer, read, url
from stack.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where spans are kept, and how many.

    Args:
        database_path: the file.
        max_age: seconds after which a span is forgotten.
        max_bytes: size of the database above which the oldest spans are forgotten.
        ui_url: where the pages are, without a slash at its end; empty when nowhere.
    """

    database_path: Path
    max_age: float = 86_400.0
    max_bytes: int = 200_000_000
    ui_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `TRACESTORE_DATABASE_PATH`, `_MAX_AGE_SECONDS`, `_MAX_BYTES` and `_UI_URL`.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        path = read(environ, "TRACESTORE_DATABASE_PATH", file_to_write, None)
        if path is None:
            raise ConfigurationError("TRACESTORE_DATABASE_PATH", "", "a file, where spans are kept")
        default = cls(database_path=path)
        age, size = integer(60, 31_536_000), integer(1_000_000, 10**12)
        return cls(
            database_path=path,
            max_age=read(environ, "TRACESTORE_MAX_AGE_SECONDS", age, int(default.max_age)),
            max_bytes=read(environ, "TRACESTORE_MAX_BYTES", size, default.max_bytes),
            ui_url=read(environ, "TRACESTORE_UI_URL", url, ""),
        )
