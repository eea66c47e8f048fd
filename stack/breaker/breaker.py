"""The circuit breaker that people use: thin shells around the bookkeeping."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from types import CoroutineType
from typing import Any, Never, ParamSpec, TypeVar, Unpack, cast

from stack.breaker import shared
from stack.breaker.bookkeeping import Bookkeeping
from stack.breaker.config import BreakerConfig, MoreOptions
from stack.breaker.decorate import Fallback, decorated
from stack.breaker.events import BreakerCreated, Listener
from stack.breaker.guard import Guard
from stack.breaker.state import CircuitState, Permit
from stack.errors import CircuitBreakerOpenError, ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BreakerStats:
    """Counts of this process since the start or the last reset, and the state now.

    Attributes:
        name: the component that is guarded.
        state: closed, open or half_open.
        calls: finished calls, which are successes and failures.
        successes: calls that were no failure.
        failures: calls that failed.
        rejected: calls that were refused and not made.
        retry_after: seconds until a probe may pass; 0.0 unless open, infinite while forced open.
    """

    name: str
    state: str
    calls: int = 0
    successes: int = 0
    failures: int = 0
    rejected: int = 0
    retry_after: float = 0.0


class CircuitBreaker(Bookkeeping):
    """Stops calling what does not answer, and tries again after a while.

    Thread-safe, safe under asyncio, fork and in signal handlers; the lock is held for bookkeeping
    only, never while the guarded call, a fallback or a listener runs. A cancelled call is neither
    success nor failure.

    Args:
        name: the component it guards, as metrics and errors name it; text that is not empty.
        failure_threshold: consecutive failures that open it.
        timeout_seconds: seconds from opening to the first probe.
        success_threshold: successful probes that close it.
        fallback: called with the exception of a refused or failed call; what it returns is
            returned instead. What `ignore` or `record` let pass is no failure and is raised. A
            decorated generator goes on with the items it returns, if none has been given out yet.
            A `with` block has no fallback.
        clock: monotonic seconds.
        listeners: called with this breaker's events.
        options: the other options of `BreakerConfig`.

    Raises:
        ConfigurationError: the name or an option is out of bounds.
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
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError("name", name, "text that is not empty")
        if fallback is not None and not callable(fallback):
            raise ConfigurationError("fallback", fallback, "None or callable")
        config = BreakerConfig(
            failure_threshold=failure_threshold,
            timeout_seconds=timeout_seconds,
            success_threshold=success_threshold,
            **options,
        )
        super().__init__(name, config, clock, listeners)
        self.fallback = fallback
        # The blocks of `with` that have begun: this context's, the innermost last, and all.
        self._entered: ContextVar[tuple[Guard, ...]] = ContextVar("entered", default=())
        self._under_way: dict[Guard, None] = {}
        shared.add(self)
        # One that is new begins in the state that other workers have reached.
        self._machine.follow()
        self._machine.take_events()
        self._publish(BreakerCreated(name, self._machine.state.name.value))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function`, or refuse to.

        Raises:
            CircuitBreakerOpenError: refused, and there is no fallback.
            TypeError: it returned a coroutine, whose result only `acall` waits for.
        """
        try:
            permit = self._admitted()
        except CircuitBreakerOpenError as refusal:
            if self.fallback is None:
                raise
            return cast("T", self.fallback(refusal))
        started = self._clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            if not self._raised(permit, started, error) or self.fallback is None:
                raise
            return cast("T", self.fallback(error))
        if type(result) is CoroutineType:
            self._refuse_coroutine(permit, cast("Coroutine[Any, Any, Any]", result))
        self._returned(permit, started, result)
        return result

    async def acall(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Await `function`, or refuse to; the fallback may be a coroutine function too.

        Raises:
            CircuitBreakerOpenError: refused, and there is no fallback.
        """
        try:
            permit = self._admitted()
        except CircuitBreakerOpenError as refusal:
            if self.fallback is None:
                raise
            instead = self.fallback(refusal)
            return cast("T", await instead if inspect.isawaitable(instead) else instead)
        started = self._clock()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            if not self._raised(permit, started, error) or self.fallback is None:
                raise
            instead = self.fallback(error)
            return cast("T", await instead if inspect.isawaitable(instead) else instead)
        self._returned(permit, started, result)
        return result

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function, coroutine function, generator or async generator.

        A generator is one call from its first item to its end; only time spent inside it counts,
        and one that is closed halfway is neither success nor failure.
        """
        guarded = decorated(
            function, self, call=self.call, acall=self.acall, fallback=self.fallback
        )
        return cast("Callable[P, T]", guarded)

    def guard(self) -> Guard:
        """Return a guard for one `with` block, which may be left in another context or thread.

        A block inside a generator that others close, as of a streamed response, needs this one.
        """
        return Guard(self)

    def __enter__(self) -> CircuitBreaker:
        """Guard a `with` block; its body does not run while calls are refused.

        Raises:
            CircuitBreakerOpenError: refused, whether there is a fallback or not.
        """
        guard = self.guard()
        guard.__enter__()
        self._under_way[guard] = None
        self._entered.set((*self._entered.get(), guard))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._leave().__exit__(kind, error, trace)

    async def __aenter__(self) -> CircuitBreaker:
        """Guard an `async with` block, as `with` does."""
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)

    def _leave(self) -> Guard:
        """Take the innermost block of this context; if none began here, the newest of all."""
        entered = self._entered.get()
        while entered:
            *outer, guard = entered
            entered = tuple(outer)
            self._entered.set(entered)
            # Another context may have taken it.
            if self._under_way.pop(guard, self) is None:
                return guard
        return self._under_way.popitem()[0]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Send this breaker's events to `listener`; one that fails never breaks a call.

        Returns:
            A function that ends the subscription.
        """
        return self._events.subscribe(listener)

    @property
    def state(self) -> CircuitState:
        """The state now, that of all workers where they share it; reading it begins no probe."""
        if self._machine.is_behind():
            self._change(lambda machine, _: machine.follow())
        return self._machine.state.name

    @property
    def metrics(self) -> dict[str, Any]:
        """The statistics as a dict."""
        return asdict(self.stats())

    def stats(self) -> BreakerStats:
        """Return a consistent copy of this process's counts, and the state as `state` gives it."""
        with self._lock:
            self._settle()
            machine = self._machine
            machine.follow()
            stats = BreakerStats(
                self.name,
                machine.state.name.value,
                self._successes + self._failures,
                self._successes,
                self._failures,
                self._rejected,
                machine.retry_after(self._clock()),
            )
            events = machine.take_events()
        self._publish(*events)
        return stats

    get_stats = stats

    def reset(self) -> None:
        """Close it, in all workers that share its state, and forget what this one counted."""
        with self._lock:
            self._settle()
            self._successes = self._failures = self._rejected = 0
        self._change(lambda machine, _: machine.force_closed("reset"))

    def force_open(self) -> None:
        """Refuse every call, in all workers that share its state, until it is closed by hand."""
        self._change(lambda machine, now: machine.force_open(now))

    def force_closed(self) -> None:
        """Let every call pass, in all workers that share its state."""
        self._change(lambda machine, _: machine.force_closed("forced closed"))

    def refresh_state(self) -> CircuitState:
        """Go from open to half-open if the wait is over, and return the state."""
        self._change(lambda machine, now: machine.refresh(now))
        return self.state

    def join(self, table: shared.Table | None) -> None:
        """Share the state with other workers; only the system's clock is the same in all."""
        link = table.link(self.name) if table and self._clock is time.monotonic else None
        if link is not None:
            self._machine.share(link)

    def _refuse_coroutine(self, permit: Permit, result: Coroutine[Any, Any, Any]) -> Never:
        """Say that `call` cannot know how a coroutine ends.

        Raises:
            TypeError: always.
        """
        result.close()
        error = f"breaker {self.name!r}: the call returned a coroutine; use `await breaker.acall`"
        self._abandon(permit)
        raise TypeError(error)


# The name it had where it guarded only calls to a language model.
LLMCircuitBreaker = CircuitBreaker
