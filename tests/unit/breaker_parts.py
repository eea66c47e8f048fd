"""What the breaker's tests have in common."""

from typing import Any

import pytest

from stack.breaker import CircuitBreaker


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class DownError(Exception):
    """What the guarded call raises here."""


def fail() -> None:
    raise DownError


def make(clock: Clock, **options: Any) -> CircuitBreaker:
    return CircuitBreaker(
        "peer", clock=clock, **{"failure_threshold": 3, "timeout_seconds": 10.0, **options}
    )


def break_it(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(DownError):
            breaker.call(fail)
