"""The circuit breaker that people use: thin shells around the state machine."""

from __future__ import annotations

import inspect
import math
import os
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import wraps
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar, Unpack, cast

from stack.breaker import shared
from stack.breaker.config import BreakerConfig, MoreOptions
from stack.breaker.events import (
    BreakerCreated,
    CallFinished,
    Event,
    Listener,
    broadcast,
)
from stack.breaker.state import CircuitState, Machine, Permit
from stack.broadcast import Broadcast
from stack.errors import CircuitBreakerOpenError

P = ParamSpec("P")
T = TypeVar("T")
Fallback = Callable[[BaseException], Any]

_all: weakref.WeakSet[CircuitBreaker] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class BreakerStats:
    """Counts since the start or the last reset, and the state now."""

    name: str
    state: str
    calls: int = 0
    successes: int = 0
    failures: int = 0
    rejected: int = 0
    retry_after: float = 0.0


class CircuitBreaker:
    """Stops calling what does not answer, and tries again after a while.

    Thread-safe, safe under asyncio and fork; the lock is held for bookkeeping only, never while the
    guarded call, a fallback or a listener runs. A cancelled call is neither success nor failure.

    Args:
        name: the component it guards, as metrics and errors name it.
        failure_threshold: consecutive failures that open it.
        timeout_seconds: seconds from opening to the first probe.
        success_threshold: successful probes that close it.
        fallback: called with the exception of a refused or failed call; what it returns is
            returned instead.
        clock: monotonic seconds.
        listeners: called with this breaker's events.
        options: the other options of `BreakerConfig`.

    Raises:
        ConfigurationError: an option is out of bounds.
    """

    def __init__(
        self,
        name: str,
        failure_threshold: int = 5,
        timeout_seconds: float = 60.0,
        success_threshold: int = 2,
        fallback: Fallback | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        listeners: tuple[Listener, ...] = (),
        **options: Unpack[MoreOptions],
    ) -> None:
        self.name = name
        self.config = BreakerConfig(
            failure_threshold=failure_threshold,
            timeout_seconds=timeout_seconds,
            success_threshold=success_threshold,
            **options,
        )
        self.fallback = fallback
        self._clock = clock
        self._events: Broadcast[Event] = Broadcast()
        for listener in listeners:
            self._events.subscribe(listener)
        self._machine = Machine(name, self.config)
        self._slow_after = self.config.slow_call_seconds or math.inf
        self._successes = self._failures = self._rejected = 0
        # Counts successes without the lock while all is well; `_settle` takes them in.
        self._quiet = count()
        self._quiet_taken = 0
        self._lock = Lock()
        self._entered: ContextVar[tuple[_Call, ...]] = ContextVar("entered", default=())
        _all.add(self)
        self._join(shared.table)
        self._publish(BreakerCreated(name, self.state.value))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function`, or refuse to.

        Raises:
            CircuitBreakerOpenError: refused, and there is no fallback.
        """
        try:
            permit = self._admitted()
            started = self._clock()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._raised(permit, started, error)
                raise
            self._returned(permit, started, result)
            return result
        except Exception as error:
            if self.fallback is None:
                raise
            return cast("T", self.fallback(error))

    async def acall(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Await `function`, or refuse to; the fallback may be a coroutine function too.

        Raises:
            CircuitBreakerOpenError: refused, and there is no fallback.
        """
        try:
            permit = self._admitted()
            started = self._clock()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                self._raised(permit, started, error)
                raise
            self._returned(permit, started, result)
            return result
        except Exception as error:
            if self.fallback is None:
                raise
            instead = self.fallback(error)
            return cast("T", await instead if inspect.isawaitable(instead) else instead)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function, coroutine function, generator or async generator."""
        if inspect.isasyncgenfunction(function):
            return cast("Callable[P, T]", self._wrap_async_generator(function))
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, T]", self._wrap_coroutine(function))
        if inspect.isgeneratorfunction(function):
            return cast("Callable[P, T]", self._wrap_generator(function))

        call = self.call

        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            return call(function, *args, **kwargs)

        return wrapper

    def __enter__(self) -> CircuitBreaker:
        """Guard a `with` block; its body does not run while calls are refused.

        Raises:
            CircuitBreakerOpenError: refused.
        """
        call = _Call(self)
        call.__enter__()
        self._entered.set((*self._entered.get(), call))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        *outer, call = self._entered.get()
        self._entered.set(tuple(outer))
        call.__exit__(kind, error, trace)

    async def __aenter__(self) -> CircuitBreaker:
        """Guard an `async with` block, as `with` does."""
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Send this breaker's events to `listener`; one that fails never breaks a call.

        Returns:
            A function that ends the subscription.
        """
        return self._events.subscribe(listener)

    @property
    def state(self) -> CircuitState:
        """The state now; reading it changes nothing."""
        return self._machine.state.name

    @property
    def metrics(self) -> dict[str, Any]:
        """The statistics as a dict."""
        return asdict(self.stats())

    def stats(self) -> BreakerStats:
        """Return a consistent copy of the counts."""
        with self._lock:
            self._settle()
            return BreakerStats(
                self.name,
                self.state.value,
                self._successes + self._failures,
                self._successes,
                self._failures,
                self._rejected,
                self._machine.retry_after(self._clock()),
            )

    get_stats = stats

    def reset(self) -> None:
        """Close it and forget what it counted."""
        with self._lock:
            self._settle()
            self._successes = self._failures = self._rejected = 0
        self._change(lambda machine, _: machine.close("reset"))

    def force_open(self) -> None:
        """Refuse every call until `force_closed` or `reset`."""
        self._change(lambda machine, now: machine.open(now, "forced open", wait=float("inf")))

    def force_closed(self) -> None:
        """Let every call pass."""
        self._change(lambda machine, _: machine.close("forced closed"))

    def refresh_state(self) -> CircuitState:
        """Go from open to half-open if the wait is over, and return the state."""
        self._change(lambda machine, now: machine.refresh(now))
        return self.state

    def _join(self, table: shared.Table | None) -> None:
        """Share the state with other workers; only the system's clock is the same in all."""
        link = table.link(self.name) if table and self._clock is time.monotonic else None
        if link is not None:
            self._machine.share(link)

    def _admitted(self) -> Permit:
        """Get leave for one call, without the lock while it is closed.

        Raises:
            CircuitBreakerOpenError: refused.
        """
        machine = self._machine
        # The period is read first: see `Machine.passes`.
        permit = machine.period
        link = machine.link
        if machine.passes and (link is None or link.generation() == machine.seen):
            return permit
        return self._admit()

    def _returned(self, permit: Permit, started: float, result: object) -> None:
        """Take what a call returned, without the lock while all is well."""
        machine = self._machine
        seconds = self._clock() - started
        if machine.calm and permit == machine.period and seconds <= self._slow_after:
            next(self._quiet)
            if broadcast.listeners or self._events.listeners:
                self._publish(CallFinished(self.name, "success", seconds))
        elif failure := self._judged(result):
            self._failed(permit, started, failure)
        else:
            self._succeeded(permit, started)

    def _raised(self, permit: Permit, started: float, error: BaseException) -> None:
        """Take what a call raised."""
        if not isinstance(error, Exception):
            # Cancelled or interrupted: nothing is known about the called service.
            self._abandon(permit)
        elif self.config.is_failure(error):
            self._failed(permit, started, error)
        else:
            self._succeeded(permit, started)

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
            wait = self._machine.retry_after(now)
            events = self._machine.take_events()
        self._publish(*events)
        if permit is not None:
            return permit
        error = CircuitBreakerOpenError(self.name, self.state.value, wait)
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

    def _judged(self, result: object) -> BaseException | None:
        """Return what a returned value counts as."""
        is_failure = self.config.failure_result
        return FailureResultError(result) if is_failure and is_failure(result) else None

    def _abandon(self, permit: Permit) -> None:
        with self._lock:
            self._machine.abandon(permit)

    def _change(self, change: Callable[[Machine, float], None]) -> None:
        with self._lock:
            self._settle()
            change(self._machine, self._clock())
            events = self._machine.take_events()
        self._publish(*events)

    def _publish(self, *events: Event) -> None:
        for event in events:
            self._events.publish(event)
            broadcast.publish(event)

    def _wrap_coroutine(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        call = self.acall

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await call(function, *args, **kwargs)

        return wrapper

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _Call(self):
                result = yield from function(*args, **kwargs)
            return result  # type: ignore[no-any-return]

        return wrapper

    def _wrap_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with _Call(self):
                async for item in function(*args, **kwargs):
                    yield item

        return wrapper


class _Call:
    """One guarded block: from leave to result."""

    __slots__ = ("_breaker", "_permit", "_started")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._permit = self._breaker._admitted()
        self._started = self._breaker._clock()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._breaker._succeeded(self._permit, self._started)
        else:
            self._breaker._raised(self._permit, self._started, error)


class FailureResultError(Exception):
    """What an event shows for a returned value that counted as a failure."""

    def __init__(self, value: object) -> None:
        super().__init__(f"returned a {type(value).__name__} that counts as a failure")


def share_state(path: Path) -> None:
    """Let the breakers of one name in this process and its future children share their state.

    Breakers with a clock of their own stay alone. To be called before workers are forked.

    Args:
        path: a file for the state, in a folder that only this service writes to.

    Raises:
        OSError: the file cannot be made; every breaker goes on alone.
    """
    shared.table = shared.Table(path)
    for breaker in tuple(_all):
        breaker._join(shared.table)


def _renew_locks() -> None:
    """Replace locks that other threads may have held at the fork."""
    for breaker in tuple(_all):
        breaker._lock = Lock()


os.register_at_fork(after_in_child=_renew_locks)

# The name it had where it guarded only calls to a language model.
LLMCircuitBreaker = CircuitBreaker
