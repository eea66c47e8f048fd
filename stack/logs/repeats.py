"""Keeping one line that repeats from drowning the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import RLock

_MAX_KINDS = 1024


class Repeats:
    """Lets a number of lines of one kind pass in a second. Thread-safe, fork-safe.

    Args:
        limit: lines of one kind in one second; 0 lets all pass.
        clock: monotonic seconds.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        # Of each kind: the second it was last seen in, lines in it, lines held back since then.
        self._kinds: OrderedDict[tuple[str, ...], tuple[int, int, int]] = OrderedDict()
        self._lock = RLock()

    def passes(self, *kind: str) -> int | None:
        """Tell whether a line may be written.

        Args:
            kind: what lines that repeat each other have in common.

        Returns:
            None when it is held back; else how many of its kind were since the last one written.
        """
        second = int(self._clock())
        with self._lock:
            seen_in, lines, held = self._kinds.pop(kind, (second, 0, 0))
            if seen_in != second:
                lines = 0
            passes = lines < self.limit
            self._kinds[kind] = (second, lines + 1, 0 if passes else held + 1)
            if len(self._kinds) > _MAX_KINDS:
                self._kinds.popitem(last=False)
        return held if passes else None

    def renew_lock(self) -> None:
        """Replace a lock that another thread may have held at the fork."""
        self._lock = RLock()
