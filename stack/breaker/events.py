"""What breakers tell the pillars: small immutable facts, sent after the fact."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BreakerCreated:
    """A breaker exists now, in this state."""

    component: str
    state: str


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call ended: `outcome` is success, failure or rejected; `duration` is in seconds."""

    component: str
    outcome: str
    duration: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A breaker went from one state to another, and why."""

    component: str
    from_state: str
    to_state: str
    reason: str


Event = BreakerCreated | CallFinished | StateChanged
Listener = Callable[[Event], None]

_listeners: tuple[Listener, ...] = ()


def subscribe(listener: Listener) -> Callable[[], None]:
    """Send the events of every breaker to `listener`; it must be quick and may be on any thread.

    Returns:
        A function that ends the subscription.
    """
    global _listeners  # noqa: PLW0603
    if listener not in _listeners:
        _listeners = (*_listeners, listener)

    def unsubscribe() -> None:
        global _listeners  # noqa: PLW0603
        _listeners = tuple(each for each in _listeners if each != listener)

    return unsubscribe


def publish(event: Event, own: Iterable[Listener] = ()) -> None:
    """Tell the breaker's own listeners and all others; a failing one never breaks a call."""
    for listener in (*own, *_listeners):
        try:
            listener(event)
        except Exception:
            _log.exception("a listener failed on %r", event)
