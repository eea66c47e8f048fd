"""One guarded block, from leave to result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.errors import CircuitBreakerOpenError

if TYPE_CHECKING:
    from stack.breaker.bookkeeping import Bookkeeping


class Guard:
    """Guards one `with` block, once; may be left in another thread, task or context than entered.

    Attributes:
        failed: whether the block was refused or failed; known after it.
    """

    __slots__ = ("_breaker", "_permit", "_started", "failed")

    def __init__(self, breaker: Bookkeeping) -> None:
        self._breaker = breaker
        self.failed = False

    def __enter__(self) -> Guard:
        """Begin the block.

        Raises:
            CircuitBreakerOpenError: refused.
        """
        try:
            self._permit = self._breaker._admitted()
        except CircuitBreakerOpenError:
            self.failed = True
            raise
        self._started = self._breaker._clock()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        breaker, permit, started = self._breaker, self._permit, self._started
        if error is not None:
            self.failed = breaker._raised(permit, started, error)
        elif permit == breaker._machine.calm:
            # In calm times results are not judged, so that there is none does not matter.
            breaker._returned(permit, started, None)
        else:
            breaker._succeeded(permit, started)


class Steps(Guard):
    """A guard for what runs step by step: between steps no time passes for it."""

    __slots__ = ("_paused", "begun")

    def __init__(self, breaker: Bookkeeping) -> None:
        super().__init__(breaker)
        self.begun = False

    def pause(self) -> None:
        """A step is over: its item goes to the consumer."""
        self.begun = True
        self._paused = self._breaker._clock()

    def resume(self) -> None:
        """The consumer wants the next step."""
        self._started += self._breaker._clock() - self._paused
