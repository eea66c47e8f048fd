"""What the environment says about the inbox."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where alerts are kept, and what the pages link to.

    Args:
        database_path: the file; one in the temporary folder is lost with the machine.
        watchdog_timeout: seconds without a Watchdog after which the path of alerts is silent.
        runbooks_dir: where `<Alert>.md` are.
        jaeger_url: where traces are shown; None for no links to them.
    """

    database_path: Path = Path(tempfile.gettempdir()) / "inbox.db"
    watchdog_timeout: float = 300.0
    runbooks_dir: Path = REPOSITORY / "docs" / "runbooks"
    jaeger_url: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `DATABASE_PATH`, `WATCHDOG_TIMEOUT_SECONDS`, `RUNBOOKS_DIR` and `JAEGER_URL`.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        default = cls()
        path = Path(environ.get("DATABASE_PATH") or default.database_path)
        if path.is_dir() or not path.parent.is_dir():
            raise ConfigurationError("DATABASE_PATH", str(path), "a file in an existing folder")
        return cls(
            database_path=path,
            watchdog_timeout=_seconds(environ, default.watchdog_timeout),
            runbooks_dir=Path(environ.get("RUNBOOKS_DIR") or default.runbooks_dir),
            jaeger_url=_link(environ),
        )


def _seconds(environ: Mapping[str, str], default: float) -> float:
    raw = environ.get("WATCHDOG_TIMEOUT_SECONDS") or str(default)
    try:
        seconds = float(raw)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 86_400:
        raise ConfigurationError("WATCHDOG_TIMEOUT_SECONDS", raw, "seconds from 1 to 86400")
    return seconds


def _link(environ: Mapping[str, str]) -> str | None:
    raw = environ.get("JAEGER_URL", "")
    if raw and not raw.startswith(("http://", "https://")):
        raise ConfigurationError("JAEGER_URL", raw, "an http:// or https:// URL")
    return raw.rstrip("/") or None
