"""What breakers tell the pillars: small immutable facts, sent after the fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stack.broadcast import Broadcast


class BreakerCreated(NamedTuple):
    """A breaker exists now, in this state."""

    component: str
    state: str


class CallFinished(NamedTuple):
    """A call ended: `outcome` is success, failure or rejected; `duration` is in seconds."""

    component: str
    outcome: str
    duration: float
    error: BaseException | None = None


class StateChanged(NamedTuple):
    """A breaker went from one state to another, and why.

    `followed`: it only does what the breaker of another worker, who told of it too, has done.
    """

    component: str
    from_state: str
    to_state: str
    reason: str
    followed: bool = False


Event = BreakerCreated | CallFinished | StateChanged
Listener = Callable[[Event], None]

# Every breaker's events; a listener must be quick, and may be called on any thread.
broadcast: Broadcast[Event] = Broadcast()
subscribe = broadcast.subscribe
