"""The dead man's switch: whether the alert that always fires still arrives."""

from __future__ import annotations

from dataclasses import dataclass

from services.inbox.payload import utc


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Whether the path of alerts works: ok, silent or never; seconds."""

    state: str
    last_seen: str | None
    timeout_seconds: float


def watchdog(last_seen: float | None, timeout: float, now: float) -> Watchdog:
    """Tell whether the Watchdog has been heard of within `timeout` seconds."""
    if last_seen is None:
        return Watchdog("never", None, timeout)
    state = "ok" if now - last_seen <= timeout else "silent"
    return Watchdog(state, utc(last_seen), timeout)
