"""Where lines go, for which service, from which level on."""

from __future__ import annotations

import os
import sys
from threading import Lock
from typing import Any

from stack.logs import events
from stack.logs.record import encode
from stack.logs.repeats import Repeats

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class _Output:
    """The process's one output. Thread-safe; the lock renews itself in a forked child."""

    def __init__(self) -> None:
        self.service = "unknown_service"
        self.threshold = LEVELS["info"]
        self.repeats = Repeats(0)
        self._lock = Lock()

    def write(self, record: dict[str, Any], kind: str) -> None:
        """Write one line at once; a closed or full output never reaches the caller.

        Args:
            record: the line.
            kind: what it has in common with lines that repeat it.
        """
        if self.repeats.limit:
            held = self.repeats.passes(record["logger"], record["level"], kind)
            if held is None:
                events.publish(record.get("component") or self.service, record["level"])
                events.publish_held(record["level"])
                return
            if held:
                record["repeats_held_back"] = held
        line = encode(record).decode("utf-8")
        try:
            with self._lock:
                sys.stdout.write(line)
                sys.stdout.flush()
        except (OSError, ValueError, AttributeError):
            return
        finally:
            events.publish(record.get("component") or self.service, record["level"])

    def renew_lock(self) -> None:
        """Replace a lock that another thread may have held at the fork."""
        self._lock = Lock()
        self.repeats.renew_lock()


output = _Output()
os.register_at_fork(after_in_child=output.renew_lock)
