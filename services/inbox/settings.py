"""What the environment says about the inbox."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.environment import file_to_write, folder, number, read, url

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
        return cls(
            database_path=read(environ, "DATABASE_PATH", file_to_write, default.database_path),
            watchdog_timeout=read(
                environ,
                "WATCHDOG_TIMEOUT_SECONDS",
                number(1, 86_400, "seconds"),
                default.watchdog_timeout,
            ),
            runbooks_dir=read(environ, "RUNBOOKS_DIR", folder, default.runbooks_dir),
            jaeger_url=read(environ, "JAEGER_URL", url, "") or None,
        )
