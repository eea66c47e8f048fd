"""Breaker events become log lines."""

from __future__ import annotations

from stack.breaker.events import Event, StateChanged
from stack.logs.logger import get_logger

_log = get_logger("stack.breaker")


def listen(event: Event) -> None:
    """Write each change of state; calls are counted, not written."""
    if isinstance(event, StateChanged) and not event.followed:
        _log.log(
            "warning" if event.to_state == "open" else "info",
            f"circuit breaker {event.component}: {event.from_state} → {event.to_state}",
            event_type="circuit_breaker_state_changed",
            component=event.component,
            from_state=event.from_state,
            to_state=event.to_state,
            reason=event.reason,
        )
