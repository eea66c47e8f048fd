"""The state machine of one breaker: goes from state to state, alone or with other workers."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable

from stack.breaker.config import BreakerConfig
from stack.breaker.events import StateChanged
from stack.breaker.shared import Link
from stack.breaker.state import (
    NO_PERMIT,
    CircuitState,
    Closed,
    HalfOpen,
    Open,
    Permit,
    State,
    Watching,
)

_log = logging.getLogger(__name__)

# As numbers in the shared table; a fresh slot is zero.
_NUMBERS = {CircuitState.CLOSED: 0, CircuitState.OPEN: 1, CircuitState.HALF_OPEN: 2}


class Machine:
    """The state of one breaker, and the ways from one state to another.

    No clock, lock or thread: times are given in, and one caller at a time uses it; only `leave`,
    `calm`, `link` and `seen` are read without a lock.

    Args:
        name: the breaker, for the events.
        config: when to change state.
        draw: a random number from [0, 1), for the jitter.
    """

    def __init__(
        self, name: str, config: BreakerConfig, draw: Callable[[], float] = random.random
    ) -> None:
        self.config = config
        self.state: State = Closed(config)
        self._name = name
        self._draw = draw
        self._period = 0
        # Leave for a call without asking; None when calls must ask.
        self.leave: Permit | None = self._period
        # The permit whose quick success changes nothing but counts; compared in each call.
        self.calm = self._period if self.state.calm() else NO_PERMIT
        # The length of the next wait in seconds, before jitter.
        self._next_wait = config.timeout_seconds
        self.events: list[StateChanged] = []
        self.link: Link | None = None
        self.seen = 0

    def share(self, link: Link) -> None:
        """Follow, and be followed by, the breakers of the same name in other workers."""
        self.link = link
        self.seen = 0

    def is_behind(self) -> bool:
        """Tell whether another worker has made a transition that this one does not know."""
        link = self.link
        return link is not None and link.generation() != self.seen

    def follow(self) -> None:
        """Take over a transition that another worker has made."""
        if self.link is not None and self.is_behind():
            self._adopt(self.link)

    def admit(self, now: float) -> Permit | None:
        """Return leave for one call, or None when it is refused."""
        self.follow()
        return self._period if self.state.admit(self, now) else None

    def succeeded(self, permit: Permit, seconds: float, now: float) -> None:
        """Take a call's success; one from before the last transition changes no state.

        A transition of another worker that is not seen yet is met by `_change`.
        """
        if permit == self._period:
            self.state.succeeded(self, seconds, now)
            self.calm = self._period if self.state.calm() else NO_PERMIT

    def calm_successes(self, count: int) -> None:
        """Take quick successes that were made while it was `calm`."""
        if count:
            self.state.calm_successes(count)

    def failed(self, permit: Permit, seconds: float, now: float) -> None:
        """Take a call's failure; one from before the last transition changes no state."""
        if permit == self._period:
            self.calm = NO_PERMIT
            self.state.failed(self, seconds, now)

    def abandon(self, permit: Permit) -> None:
        """Take note that a call ended neither well nor badly."""
        if permit == self._period:
            self.state.abandoned()

    def retry_after(self, now: float) -> float:
        """Return the seconds until a probe may pass."""
        return max(0.0, self.state.probe_at - now) if isinstance(self.state, Open) else 0.0

    def refresh(self, now: float) -> None:
        """Follow the other workers; go from open to half-open if the wait is over."""
        self.follow()
        if isinstance(self.state, Open) and now >= self.state.probe_at:
            self.half_open(now, "wait is over")

    def force_open(self, now: float) -> None:
        """Refuse calls until further notice, whatever other workers have done."""
        self._insist(lambda: self.open(now, "forced open", wait=math.inf))

    def force_closed(self, reason: str) -> None:
        """Let every call pass, whatever other workers have done."""
        self._insist(lambda: self.close(reason))

    def open(self, now: float, reason: str, wait: float | None = None) -> bool:
        """Refuse calls for `wait` seconds, by default as configured.

        Returns:
            Whether it did so; False when another worker was first, as for each transition.
        """
        probe_at = now + (self._wait() if wait is None else wait)
        return self._change(Open(probe_at), reason, probe_at)

    def half_open(self, now: float, reason: str) -> bool:
        """Let probes pass, those of this worker only."""
        until = now + self.config.probe_seconds
        return self._change(HalfOpen(self.config, until), reason, until)

    def close(self, reason: str) -> bool:
        """Let every call pass."""
        return self._change(Closed(self.config), reason, 0.0)

    def take_events(self) -> list[StateChanged]:
        """Return the transitions since the last time."""
        events, self.events = self.events, []
        return events

    def _insist(self, change: Callable[[], bool]) -> None:
        # Who was not first has followed, so the next time has all chances.
        while not change():
            pass

    def _change(self, to: State, reason: str, until: float) -> bool:
        """Go to a state, unless another worker has just gone to one: then follow it."""
        link = self.link
        if link is not None:
            try:
                generation = link.move(self.seen, _NUMBERS[to.name], until)
            except (OSError, ValueError) as error:
                self._part(error)
            else:
                if generation is None:
                    self._adopt(link)
                    return False
                self.seen = generation
        self._enter(to, reason, followed=False)
        return True

    def _adopt(self, link: Link) -> None:
        try:
            shared = link.read()
        except (OSError, ValueError) as error:
            self._part(error)
            return
        self.seen = shared.generation
        states: dict[int, State] = {
            0: Closed(self.config),
            1: Open(shared.until),
            2: Watching(shared.until),
        }
        to = states.get(shared.state, states[0])
        self._enter(to, "as another worker", followed=True)

    def _part(self, error: Exception) -> None:
        self.link = None
        _log.warning("breaker %r goes on without the other workers: %s", self._name, error)

    def _enter(self, to: State, reason: str, *, followed: bool) -> None:
        was = self.state.name
        self.leave = None
        self.state = to
        self._period += 1
        self.calm = self._period if to.calm() else NO_PERMIT
        if to.name is CircuitState.OPEN:
            self._lengthen_wait()
        elif to.name is CircuitState.CLOSED:
            self.leave = self._period
            self._next_wait = self.config.timeout_seconds
        if was is not to.name:
            self.events.append(StateChanged(self._name, was.value, to.name.value, reason, followed))

    def _wait(self) -> float:
        """Exponential backoff with full jitter.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        jitter = 1.0 if self.config.backoff_multiplier == 1.0 else self._draw()
        return self._next_wait * jitter

    def _lengthen_wait(self) -> None:
        config = self.config
        self._next_wait = min(self._next_wait * config.backoff_multiplier, config.longest_wait)
