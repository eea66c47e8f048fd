"""The states of a breaker: one small class a state, each knowing only what it may do.

No clock, lock or thread: times are given in, as seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import ClassVar, Protocol

from stack.breaker.config import BreakerConfig
from stack.breaker.window import FAILED, SLOW, CountWindow, TimeWindow, Window


class CircuitState(StrEnum):
    """The states of a breaker, with the values that metrics show."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


# Leave to make one call: the period between two transitions that it belongs to.
Permit = int
# One that no call has.
NO_PERMIT: Permit = -1


class Transitions(Protocol):
    """What a state asks of the machine that it is the state of."""

    config: BreakerConfig
    state: State

    def open(self, now: float, reason: str) -> bool:
        """Refuse calls for a while."""

    def half_open(self, now: float, reason: str) -> bool:
        """Let probes pass."""

    def close(self, reason: str) -> bool:
        """Let every call pass."""


class State:
    """What every state can do; here as a state that lets no call pass and learns from none."""

    name: ClassVar[CircuitState]

    def admit(self, machine: Transitions, now: float) -> bool:
        """Tell whether a call may be made now."""
        return False

    def succeeded(self, machine: Transitions, seconds: float, now: float) -> None:
        """Take the success of a call that began in this state and took so long."""

    def failed(self, machine: Transitions, seconds: float, now: float) -> None:
        """Take the failure of a call that began in this state and took so long."""

    def abandoned(self) -> None:
        """Take note that a call ended without a result."""

    def calm(self) -> bool:
        """Tell whether a quick success would change nothing but counts."""
        return False

    def calm_successes(self, count: int) -> None:
        """Take as many quick successes of calm times."""


class Closed(State):
    """Every call passes; failures are watched."""

    name = CircuitState.CLOSED

    def __init__(self, config: BreakerConfig) -> None:
        self._consecutive = 0
        self._slow_after = config.slow_call_seconds or math.inf
        self._window = _window(config)
        # Whether a quick success is one whenever it was made and whatever it returned.
        self._calm = config.failure_result is None and not isinstance(self._window, TimeWindow)

    def admit(self, machine: Transitions, now: float) -> bool:
        """Let every call pass."""
        return True

    def succeeded(self, machine: Transitions, seconds: float, now: float) -> None:
        """Start counting failures anew; a slow call may open it."""
        self._consecutive = 0
        if self._window is not None:
            slow = seconds > self._slow_after
            self._window.record(now, SLOW if slow else 0)
            # A quick success opens nothing.
            if slow:
                self._open_if_reason(machine, now)

    def calm(self) -> bool:
        """Tell so unless results are judged or timed one by one."""
        # Asked after a success or at the beginning: no failure waits to be followed by another.
        return self._calm

    def calm_successes(self, count: int) -> None:
        """Put them into the window, if there is one."""
        if isinstance(self._window, CountWindow):
            self._window.record_successes(count)

    def failed(self, machine: Transitions, seconds: float, now: float) -> None:
        """Count it; it may open the breaker."""
        self._consecutive += 1
        if self._window is not None:
            self._window.record(now, FAILED | (SLOW if seconds > self._slow_after else 0))
        self._open_if_reason(machine, now)

    def _open_if_reason(self, machine: Transitions, now: float) -> None:
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


class Open(State):
    """No call passes before the wait is over."""

    name = CircuitState.OPEN

    def __init__(self, probe_at: float) -> None:
        self.probe_at = probe_at

    def admit(self, machine: Transitions, now: float) -> bool:
        """After the wait become half-open, and let what it lets pass."""
        if now < self.probe_at:
            return False
        machine.half_open(now, "wait is over")
        return machine.state.admit(machine, now)


class HalfOpen(State):
    """A few probes pass; they decide, unless they take until the end of their time."""

    name = CircuitState.HALF_OPEN

    def __init__(self, config: BreakerConfig, until: float) -> None:
        self._free = config.half_open_max_calls
        self._successes = 0
        self._until = until

    def admit(self, machine: Transitions, now: float) -> bool:
        """Let it pass while there is a place; when time is up all places are given anew."""
        if self._free == 0:
            if now < self._until:
                return False
            machine.half_open(now, "the probes said nothing")
            return machine.state.admit(machine, now)
        self._free -= 1
        return True

    def succeeded(self, machine: Transitions, seconds: float, now: float) -> None:
        """Close after enough of them."""
        self._free += 1
        self._successes += 1
        if self._successes >= machine.config.success_threshold:
            machine.close(f"{self._successes} probes succeeded")

    def failed(self, machine: Transitions, seconds: float, now: float) -> None:
        """Open again."""
        self._free += 1
        machine.open(now, "a probe failed")

    def abandoned(self) -> None:
        """Give the place back."""
        self._free += 1


class Watching(State):
    """Another worker probes; no call passes here before its result or the end of its time."""

    name = CircuitState.HALF_OPEN

    def __init__(self, until: float) -> None:
        self._until = until

    def admit(self, machine: Transitions, now: float) -> bool:
        """When the other worker's time is up, probe instead of it."""
        if now < self._until:
            return False
        machine.half_open(now, "the probing worker said nothing")
        return machine.state.admit(machine, now)
