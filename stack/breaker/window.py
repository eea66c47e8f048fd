"""The sliding window of recent calls that ratios look at."""

from __future__ import annotations

from collections import deque
from typing import Protocol

# What a call was, as bits.
FAILED, SLOW = 1, 2


class Window(Protocol):
    """Recent calls; recording is O(1), for windows by age amortised."""

    failed: int
    slow: int

    def record(self, now: float, kind: int) -> None:
        """Add one call: 0, `FAILED`, `SLOW` or both."""
        ...

    def __len__(self) -> int: ...


class CountWindow:
    """The last `size` calls, whatever their age."""

    def __init__(self, size: int) -> None:
        self.failed = 0
        self.slow = 0
        self._size = size
        self._calls = bytearray(size)
        self._next = 0
        self._full = False

    def record(self, now: float, kind: int) -> None:
        """Add one call in the place of the oldest."""
        at = self._next
        calls = self._calls
        old = calls[at]
        if old or kind:
            self.failed += (kind & FAILED) - (old & FAILED)
            self.slow += (kind >> 1) - (old >> 1)
            calls[at] = kind
        at += 1
        if at == self._size:
            at, self._full = 0, True
        self._next = at

    def record_successes(self, count: int) -> None:
        """Add as many quick successes at once; O(size) however many they are."""
        full = self._full or self._next + count >= self._size
        at = self._next
        self._next = (at + count) % self._size
        self._full = full
        left = min(count, self._size)
        while left:
            end = min(at + left, self._size)
            self._clear(at, end)
            left -= end - at
            at = 0

    def _clear(self, start: int, end: int) -> None:
        old = self._calls[start:end]
        both = old.count(FAILED | SLOW)
        self.failed -= old.count(FAILED) + both
        self.slow -= old.count(SLOW) + both
        self._calls[start:end] = bytes(end - start)

    def __len__(self) -> int:
        return self._size if self._full else self._next


class TimeWindow:
    """The calls of the last `seconds`, at most `size` of them."""

    def __init__(self, seconds: float, size: int) -> None:
        self.failed = 0
        self.slow = 0
        self._seconds = seconds
        self._size = size
        self._calls: deque[tuple[float, int]] = deque()

    def record(self, now: float, kind: int) -> None:
        """Add one call and forget those that are too old."""
        calls = self._calls
        calls.append((now, kind))
        self.failed += kind & FAILED
        self.slow += kind >> 1
        while len(calls) > self._size or calls[0][0] <= now - self._seconds:
            _, old = calls.popleft()
            self.failed -= old & FAILED
            self.slow -= old >> 1

    def __len__(self) -> int:
        return len(self._calls)
