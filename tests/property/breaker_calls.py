"""Calls that begin and end when a test says so."""

from queue import SimpleQueue
from threading import Event, Thread

from stack.breaker import CircuitBreaker
from stack.errors import CircuitBreakerOpenError


class CancelledInTestError(BaseException):
    """Ends a call as a cancellation does."""


class Call(Thread):
    """One call in a thread of its own, which goes on when the test says so."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        super().__init__(daemon=True)
        self._breaker = breaker
        self._outcome: SimpleQueue[BaseException | None] = SimpleQueue()
        self._moved = Event()
        self.admitted = False
        self.start()
        assert self._moved.wait(10)

    def run(self) -> None:
        try:
            self._breaker.call(self._guarded)
        except (CircuitBreakerOpenError, ValueError, CancelledInTestError):
            pass
        finally:
            self._moved.set()

    def _guarded(self) -> None:
        self.admitted = True
        self._moved.set()
        error = self._outcome.get(timeout=10)
        if error is not None:
            raise error

    def end(self, error: BaseException | None) -> None:
        self._outcome.put(error)
        self.join(10)
        assert not self.is_alive()
