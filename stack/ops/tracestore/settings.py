"""What the environment says about the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where spans are kept, and how many.

    Args:
        database_path: the file.
        max_age: seconds after which a span is forgotten.
        max_bytes: size of the database above which the oldest spans are forgotten.
    """

    database_path: Path
    max_age: float = 86_400.0
    max_bytes: int = 200_000_000

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `TRACESTORE_DATABASE_PATH`, `TRACESTORE_MAX_AGE_SECONDS`, `TRACESTORE_MAX_BYTES`.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        name = "TRACESTORE_DATABASE_PATH"
        path = environ.get(name, "")
        if not path or Path(path).is_dir() or not Path(path).parent.is_dir():
            raise ConfigurationError(name, path, "a file in an existing folder")
        return cls(
            database_path=Path(path),
            max_age=_whole(environ, "TRACESTORE_MAX_AGE_SECONDS", 86_400, 60, 31_536_000),
            max_bytes=_whole(environ, "TRACESTORE_MAX_BYTES", 200_000_000, 1_000_000, 10**12),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    raw = environ.get(name) or str(default)
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 15 and low <= int(raw) <= high):
        raise ConfigurationError(name, raw, f"a whole number from {low} to {high}")
    return int(raw)
