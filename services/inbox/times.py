"""Moments and durations as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds(moment: str) -> float:
    """Return a moment of RFC 3339 in Unix seconds."""
    return datetime.fromisoformat(moment).timestamp()


def exact(moment: str) -> str:
    """Return a moment of RFC 3339 in UTC, to the second: `2026-01-02 03:04:05 UTC`."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(length: float) -> str:
    """Return a number of seconds in the unit that suits it."""
    if length < 9.95:
        return f"{length:.1f} s"
    if length < 120:
        return f"{length:.0f} s"
    if length < 7_200:
        return f"{length / 60:.0f} min"
    return f"{length / 3_600:.0f} h" if length < 172_800 else f"{length / 86_400:.0f} days"


def ago(moment: str, now: float) -> str:
    """Return how long ago a moment of RFC 3339 was; inbox.js says the same in the browser."""
    length = max(0, round(now - seconds(moment)))
    return f"{length} s ago" if length < 10 else f"{duration(length)} ago"
