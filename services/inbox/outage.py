"""The time in which notifications cannot be stored: said once, shown by `/readyz`, and over."""

from __future__ import annotations

import stack
from services.inbox.errors import StoreError

_log = stack.get_logger("inbox")


class Outage:
    """Alertmanager tries again and again; what it meets is logged when it changes. Thread-safe."""

    def __init__(self) -> None:
        self._reason = ""
        self._message: str | None = None

    def began(self, error: StoreError) -> None:
        """Note that a notification could not be stored."""
        known, self._reason, self._message = self._reason, error.reason, str(error)
        if known != error.reason:
            _log.error(
                f"alerts are not stored: {error}; what was stored is kept and shown, and "
                "Alertmanager sends the others again",
                event_type="database_failed",
                reason=error.reason,
            )

    def over(self) -> None:
        """Note that a notification was stored."""
        known, self._reason, self._message = self._reason, "", None
        if known:
            _log.warning("alerts are stored again", event_type="database_recovered")

    def check(self) -> str | None:
        """Say why the last notification could not be stored; None when it was."""
        return self._message
