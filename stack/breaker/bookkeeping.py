"""What a breaker keeps account of: leave for calls, their results, and what listeners are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from threading import RLock

from stack.breaker.config import BreakerConfig
from stack.breaker.events import CallFinished, Event, Listener, StateChanged, broadcast
from stack.breaker.judge import Judge
from stack.breaker.machine import Machine
from stack.breaker.state import Permit
from stack.broadcast import Broadcast
from stack.errors import CircuitBreakerOpenError


class Bookkeeping:
    """Counts, the state machine and the lock around both.

    Thread-safe, safe under asyncio and fork. The lock is never held while the guarded call, a
    predicate, a fallback or a listener runs; the clock of the caller's own choice may run under it.

    Args:
        name: the component that is guarded.
        config: when to change state.
        clock: monotonic seconds.
        listeners: called with this breaker's events.
    """

    def __init__(
        self,
        name: str,
        config: BreakerConfig,
        clock: Callable[[], float],
        listeners: tuple[Listener, ...],
    ) -> None:
        self.name = name
        self.config = config
        self._clock = clock
        self._events: Broadcast[Event] = Broadcast()
        for listener in listeners:
            self._events.subscribe(listener)
        self._judge = Judge(name, config)
        self._machine = Machine(name, config)
        self._timed = config.slow_call_seconds is not None
        self._slow_after = config.slow_call_seconds or math.inf
        self._successes = self._failures = self._rejected = 0
        # Counts successes without the lock while all is well; `_settle` takes them in.
        self._quiet = count()
        self._quiet_taken = 0
        self.renew_lock()

    def renew_lock(self) -> None:
        """Make a lock that nobody holds: at first, and in the child of a fork."""
        # A signal's handler or a finalizer may come in while its own thread holds it.
        self._lock = RLock()

    def _admitted(self) -> Permit:
        """Get leave for one call, without the lock while it is closed.

        Raises:
            CircuitBreakerOpenError: refused.
        """
        machine = self._machine
        leave = machine.leave
        link = machine.link
        if leave is not None and (link is None or link.generation() == machine.seen):
            return leave
        return self._admit()

    def _returned(self, permit: Permit, started: float, result: object) -> None:
        """Take what a call returned, without the lock while all is well."""
        if permit != self._machine.calm:
            if failure := self._judge.result(result):
                self._failed(permit, started, failure)
            else:
                self._succeeded(permit, started)
        elif not (self._timed or broadcast.listeners or self._events.listeners):
            # Nobody asks how long it took, so the clock need not be read.
            next(self._quiet)
        elif (seconds := self._clock() - started) > self._slow_after:
            self._succeeded(permit, started)
        else:
            next(self._quiet)
            self._publish(CallFinished(self.name, "success", seconds))

    def _raised(self, permit: Permit, started: float, error: BaseException) -> bool:
        """Take what a call raised, and tell whether it is a failure."""
        if not isinstance(error, Exception):
            # Cancelled or interrupted: nothing is known about the called service.
            self._abandon(permit)
            return False
        if self._judge.error(error):
            self._failed(permit, started, error)
            return True
        self._succeeded(permit, started)
        return False

    def _admit(self) -> Permit:
        """Get leave for one call.

        Raises:
            CircuitBreakerOpenError: refused.
        """
        with self._lock:
            self._settle()
            now = self._clock()
            permit = self._machine.admit(now)
            if permit is None:
                self._rejected += 1
            state, wait = self._machine.state.name, self._machine.retry_after(now)
            events = self._machine.take_events()
        self._publish(*events)
        if permit is not None:
            return permit
        error = CircuitBreakerOpenError(self.name, state.value, wait)
        self._publish(CallFinished(self.name, "rejected", 0.0, error))
        raise error

    def _settle(self) -> None:
        """Take in the successes that were counted without the lock, which is held now."""
        counted = next(self._quiet)
        successes = counted - self._quiet_taken
        # Reading counts too.
        self._quiet_taken = counted + 1
        self._successes += successes
        self._machine.calm_successes(successes)

    def _succeeded(self, permit: Permit, started: float) -> None:
        machine = self._machine
        now = self._clock()
        with self._lock:
            self._settle()
            self._successes += 1
            machine.succeeded(permit, now - started, now)
            events = machine.take_events() if machine.events else ()
        if broadcast.listeners or self._events.listeners:
            self._publish(CallFinished(self.name, "success", now - started), *events)

    def _failed(self, permit: Permit, started: float, error: BaseException) -> None:
        machine = self._machine
        now = self._clock()
        with self._lock:
            self._settle()
            self._failures += 1
            machine.failed(permit, now - started, now)
            events = machine.take_events()
        self._publish(CallFinished(self.name, "failure", now - started, error), *events)

    def _abandon(self, permit: Permit) -> None:
        """Take note that a call ended neither well nor badly."""
        with self._lock:
            self._machine.abandon(permit)

    def _change(self, change: Callable[[Machine, float], object]) -> None:
        """Change the state from outside and tell of it."""
        with self._lock:
            self._settle()
            change(self._machine, self._clock())
            events: list[StateChanged] = self._machine.take_events()
        self._publish(*events)

    def _publish(self, *events: Event) -> None:
        for event in events:
            self._events.publish(event)
            broadcast.publish(event)
