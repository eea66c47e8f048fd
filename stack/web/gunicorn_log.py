"""gunicorn's own records in this project's form."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger


class Logger(GunicornLogger):  # type: ignore[misc]
    """Hands gunicorn's records to the root logger; requests are logged by the library."""

    def setup(self, cfg: Any) -> None:
        """Leave formatting and output to the root logger."""
        level = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        for log in (self.error_log, self.access_log):
            log.setLevel(level)
            log.handlers.clear()
            log.propagate = True
        self.access_log.disabled = True
