"""Breaker events become metrics."""

from __future__ import annotations

from stack.breaker.events import BreakerCreated, CallFinished, Event, StateChanged
from stack.metrics.collector import get_prometheus_collector


def listen(event: Event) -> None:
    """Record one event of any breaker. Thread-safe and fork-safe, as the collector is."""
    collector = get_prometheus_collector()
    match event:
        case CallFinished(outcome="rejected"):
            collector.record_circuit_breaker_rejection(event.component)
        case CallFinished():
            success = event.outcome == "success"
            collector.record_circuit_breaker_call(event.component, event.duration, success)
        case StateChanged(followed=True):
            collector.record_circuit_breaker_state(event.component, event.to_state)
        case StateChanged():
            collector.record_circuit_breaker_transition(
                event.component, event.from_state, event.to_state
            )
        case BreakerCreated():
            collector.record_circuit_breaker_state(event.component, event.state)
