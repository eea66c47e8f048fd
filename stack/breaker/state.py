"""The state machine: one small class a state, each knowing only what it may do.

No clock, lock or thread: times are given in, and `Machine` is used by one caller at a time.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from enum import StrEnum
from typing import ClassVar

from stack.breaker.config import BreakerConfig
from stack.breaker.events import StateChanged
from stack.breaker.shared import Link
from stack.breaker.window import FAILED, SLOW, CountWindow, TimeWindow, Window

_log = logging.getLogger(__name__)


class CircuitState(StrEnum):
    """The states of a breaker, with the values that metrics show."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


# Leave to make one call: the period between two transitions that it belongs to.
Permit = int


class State:
    """What every state can do; here as a state that lets no call pass and learns from none."""

    name: ClassVar[CircuitState]

    def admit(self, machine: Machine, now: float) -> bool:
        """Tell whether a call may be made now."""
        return False

    def succeeded(self, machine: Machine, seconds: float, now: float) -> None:
        """Take the success of a call that began in this state and took so long."""

    def failed(self, machine: Machine, seconds: float, now: float) -> None:
        """Take the failure of a call that began in this state and took so long."""

    def abandoned(self) -> None:
        """Take note that a call ended without a result."""

    def calm(self) -> bool:
        """Tell whether a quick success would change nothing but counts."""
        return False

    def calm_successes(self, count: int) -> None:
        """Take as many quick successes of calm times."""


class _Closed(State):
    """Every call passes; failures are watched."""

    name = CircuitState.CLOSED

    def __init__(self, config: BreakerConfig) -> None:
        self._consecutive = 0
        self._slow_after = config.slow_call_seconds or math.inf
        self._window = _window(config)
        # Whether a quick success is one whenever it was made and whatever it returned.
        self._calm = config.failure_result is None and not isinstance(self._window, TimeWindow)

    def admit(self, machine: Machine, now: float) -> bool:
        return True

    def succeeded(self, machine: Machine, seconds: float, now: float) -> None:
        self._consecutive = 0
        if self._window is not None:
            slow = seconds > self._slow_after
            self._window.record(now, SLOW if slow else 0)
            # A quick success opens nothing.
            if slow:
                self._open_if_reason(machine, now)

    def calm(self) -> bool:
        # Asked after a success or at the beginning: no failure waits to be followed by another.
        return self._calm

    def calm_successes(self, count: int) -> None:
        if isinstance(self._window, CountWindow):
            self._window.record_successes(count)

    def failed(self, machine: Machine, seconds: float, now: float) -> None:
        self._consecutive += 1
        if self._window is not None:
            self._window.record(now, FAILED | (SLOW if seconds > self._slow_after else 0))
        self._open_if_reason(machine, now)

    def _open_if_reason(self, machine: Machine, now: float) -> None:
        reason = self._reason_to_open(machine.config)
        if reason:
            machine.open(now, reason)

    def _reason_to_open(self, config: BreakerConfig) -> str:
        if self._consecutive >= config.failure_threshold:
            return f"{self._consecutive} consecutive failures"
        window = self._window
        calls = len(window) if window is not None else 0
        if window is None or calls < config.minimum_calls:
            return ""
        if config.failure_ratio is not None and window.failed >= config.failure_ratio * calls:
            return f"failure ratio {window.failed / calls:.2f}"
        if config.slow_call_ratio is not None and window.slow >= config.slow_call_ratio * calls:
            return f"slow call ratio {window.slow / calls:.2f}"
        return ""


def _window(config: BreakerConfig) -> Window | None:
    """Make the window that the ratios need; without a ratio none is needed."""
    if config.failure_ratio is None and config.slow_call_ratio is None:
        return None
    if config.window_seconds is not None:
        return TimeWindow(config.window_seconds, config.window_size)
    return CountWindow(config.window_size)


class _Open(State):
    """No call passes before the wait is over."""

    name = CircuitState.OPEN

    def __init__(self, probe_at: float) -> None:
        self.probe_at = probe_at

    def admit(self, machine: Machine, now: float) -> bool:
        if now < self.probe_at:
            return False
        machine.half_open(now, "wait is over")
        return machine.state.admit(machine, now)


class _HalfOpen(State):
    """A few probes pass; they decide."""

    name = CircuitState.HALF_OPEN

    def __init__(self, config: BreakerConfig) -> None:
        self._free = config.half_open_max_calls
        self._successes = 0

    def admit(self, machine: Machine, now: float) -> bool:
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def succeeded(self, machine: Machine, seconds: float, now: float) -> None:
        self._free += 1
        self._successes += 1
        if self._successes >= machine.config.success_threshold:
            machine.close(f"{self._successes} probes succeeded")

    def failed(self, machine: Machine, seconds: float, now: float) -> None:
        self._free += 1
        machine.open(now, "a probe failed")

    def abandoned(self) -> None:
        self._free += 1


class _Watching(State):
    """Another worker probes; no call passes here before its result or the end of its time."""

    name = CircuitState.HALF_OPEN

    def __init__(self, until: float) -> None:
        self._until = until

    def admit(self, machine: Machine, now: float) -> bool:
        if now < self._until:
            return False
        machine.half_open(now, "the probing worker said nothing")
        return machine.state.admit(machine, now)


# As numbers in the shared table; a fresh slot is zero.
_NUMBERS = {CircuitState.CLOSED: 0, CircuitState.OPEN: 1, CircuitState.HALF_OPEN: 2}
# A worker that probes for longer is taken to be dead; seconds.
PROBE_SECONDS = 60.0


class Machine:
    """The bookkeeping of one breaker.

    Args:
        name: the breaker, for the events.
        config: when to change state.
        draw: a random number from [0, 1), for the jitter.
    """

    def __init__(
        self, name: str, config: BreakerConfig, draw: Callable[[], float] = random.random
    ) -> None:
        self.config = config
        self.state: State = _Closed(config)
        self._name = name
        self._draw = draw
        # Whether a call may pass without asking: read by calls without a lock.
        self.passes = True
        # Whether a quick success changes nothing but counts: read by calls without a lock.
        self.calm = self.state.calm()
        self.period = 0
        self._openings = 0
        self.events: list[StateChanged] = []
        self.link: Link | None = None
        self.seen = 0

    def share(self, link: Link) -> None:
        """Follow, and be followed by, the breakers of the same name in other workers."""
        self.link = link
        self.seen = 0

    def follow(self) -> None:
        """Take over a transition that another worker has made."""
        link = self.link
        if link is not None and link.generation() != self.seen:
            self._adopt(link)

    def admit(self, now: float) -> Permit | None:
        """Return leave for one call, or None when it is refused."""
        self.follow()
        return self.period if self.state.admit(self, now) else None

    def succeeded(self, permit: Permit, seconds: float, now: float) -> None:
        """Take a call's success; one from before the last transition changes no state."""
        if self.link is not None:
            self.follow()
        if permit == self.period:
            self.state.succeeded(self, seconds, now)
            self.calm = self.state.calm()

    def calm_successes(self, count: int) -> None:
        """Take quick successes that were made while it was `calm`."""
        if count:
            self.state.calm_successes(count)

    def failed(self, permit: Permit, seconds: float, now: float) -> None:
        """Take a call's failure; one from before the last transition changes no state."""
        if self.link is not None:
            self.follow()
        if permit == self.period:
            self.calm = False
            self.state.failed(self, seconds, now)

    def abandon(self, permit: Permit) -> None:
        """Take note that a call ended neither well nor badly."""
        if permit == self.period:
            self.state.abandoned()

    def retry_after(self, now: float) -> float:
        """Return the seconds until a probe may pass."""
        return max(0.0, self.state.probe_at - now) if isinstance(self.state, _Open) else 0.0

    def refresh(self, now: float) -> None:
        """Follow the other workers; go from open to half-open if the wait is over."""
        self.follow()
        if isinstance(self.state, _Open) and now >= self.state.probe_at:
            self.half_open(now, "wait is over")

    def open(self, now: float, reason: str, wait: float | None = None) -> None:
        """Refuse calls for a while; `wait` in seconds, else as configured."""
        probe_at = now + (self._wait() if wait is None else wait)
        self._openings += 1
        self._change(_Open(probe_at), reason, probe_at)

    def half_open(self, now: float, reason: str) -> None:
        """Let probes pass, those of this worker only."""
        self._change(_HalfOpen(self.config), reason, now + PROBE_SECONDS)

    def close(self, reason: str) -> None:
        """Let every call pass."""
        self._openings = 0
        self._change(_Closed(self.config), reason, 0.0)

    def take_events(self) -> list[StateChanged]:
        """Return the transitions since the last time."""
        events, self.events = self.events, []
        return events

    def _change(self, to: State, reason: str, until: float) -> None:
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
                    return
                self.seen = generation
        self._enter(to, reason, followed=False)

    def _adopt(self, link: Link) -> None:
        try:
            shared = link.read()
        except (OSError, ValueError) as error:
            self._part(error)
            return
        self.seen = shared.generation
        states: dict[int, State] = {
            0: _Closed(self.config),
            1: _Open(shared.until),
            2: _Watching(shared.until),
        }
        to = states.get(shared.state, states[0])
        if to.name is CircuitState.OPEN:
            self._openings += 1
        elif to.name is CircuitState.CLOSED:
            self._openings = 0
        self._enter(to, "as another worker", followed=True)

    def _part(self, error: Exception) -> None:
        self.link = None
        _log.warning("breaker %r goes on without the other workers: %s", self._name, error)

    def _enter(self, to: State, reason: str, *, followed: bool) -> None:
        was = self.state.name
        # In this order a call that reads period, then passes, never has leave for a later period.
        self.passes = self.calm = False
        self.state = to
        self.period += 1
        self.passes = to.name is CircuitState.CLOSED
        self.calm = to.calm()
        if was is not to.name:
            self.events.append(StateChanged(self._name, was.value, to.name.value, reason, followed))

    def _wait(self) -> float:
        """Exponential backoff with full jitter.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        config = self.config
        if config.backoff_multiplier == 1.0:
            return min(config.timeout_seconds, config.max_timeout_seconds)
        # 64 openings in a row reach any cap; more would overflow.
        grown = config.timeout_seconds * config.backoff_multiplier ** min(self._openings, 64)
        return min(grown, config.max_timeout_seconds) * self._draw()
