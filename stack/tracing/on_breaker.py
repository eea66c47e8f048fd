"""Breaker events become events of the span they happen in."""

from __future__ import annotations

from opentelemetry import trace

from stack.breaker.events import CallFinished, Event, StateChanged


def listen(event: Event) -> None:
    """Add a transition or a rejection to the current span."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    match event:
        case StateChanged():
            span.add_event(
                "circuit_breaker.state_changed",
                {
                    "circuit_breaker.name": event.component,
                    "circuit_breaker.from_state": event.from_state,
                    "circuit_breaker.to_state": event.to_state,
                },
            )
        case CallFinished(outcome="rejected"):
            span.add_event("circuit_breaker.rejected", {"circuit_breaker.name": event.component})
