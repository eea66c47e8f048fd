"""The sliding window of recent calls that ratios look at."""

from __future__ import annotations

from collections import deque


class Window:
    """The last calls, by number or by age; recording is O(1) amortised.

    Args:
        size: calls kept.
        seconds: age at which a call is forgotten; None keeps the last `size` whatever their age.
    """

    def __init__(self, size: int, seconds: float | None) -> None:
        self._size = size
        self._seconds = seconds
        self._calls: deque[tuple[float, bool, bool]] = deque()
        self._failed = 0
        self._slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one call."""
        calls = self._calls
        calls.append((now, failed, slow))
        if failed:
            self._failed += 1
        if slow:
            self._slow += 1
        if len(calls) > self._size or self._seconds is not None:
            self._forget(now)

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def failure_ratio(self) -> float:
        """The ratio 0–1 of failed calls."""
        return self._failed / len(self._calls) if self._calls else 0.0

    @property
    def slow_ratio(self) -> float:
        """The ratio 0–1 of slow calls."""
        return self._slow / len(self._calls) if self._calls else 0.0

    def _forget(self, now: float) -> None:
        while len(self._calls) > self._size or (
            self._seconds is not None and self._calls and self._calls[0][0] <= now - self._seconds
        ):
            _, failed, slow = self._calls.popleft()
            self._failed -= failed
            self._slow -= slow
