"""Breakers by name, one for the whole process. Thread-safe and fork-safe."""

from __future__ import annotations

import os
from threading import RLock
from typing import Unpack

from stack.breaker.breaker import BreakerStats, CircuitBreaker
from stack.breaker.config import BreakerConfig, BreakerOptions
from stack.breaker.decorate import Fallback
from stack.errors import CircuitBreakerConfigError

_breakers: dict[str, CircuitBreaker] = {}
# A listener that is told of a new breaker may ask for another one.
_lock = RLock()


def get_circuit_breaker(
    name: str, *, fallback: Fallback | None = None, **config: Unpack[BreakerOptions]
) -> CircuitBreaker:
    """Return the breaker of that name, made the first time.

    Args:
        name: the component it guards; text that is not empty.
        fallback: as of `CircuitBreaker`; None means: whatever it was made with.
        config: options of `BreakerConfig`; none means: whatever it was made with.

    Raises:
        CircuitBreakerConfigError: it exists with another configuration or fallback.
        ConfigurationError: the name or an option is out of bounds.
    """
    with _lock:
        existing = _breakers.get(name)
        if existing is None:
            existing = _breakers[name] = CircuitBreaker(name, fallback=fallback, **config)
        elif config and existing.config != BreakerConfig(**config):
            raise CircuitBreakerConfigError(name, existing.config, BreakerConfig(**config))
        elif fallback is not None and existing.fallback != fallback:
            raise CircuitBreakerConfigError(name, existing.fallback, fallback)
        return existing


def reset_all_circuit_breakers() -> None:
    """Reset every registered breaker, as `CircuitBreaker.reset` does."""
    for breaker in tuple(_breakers.values()):
        breaker.reset()


def get_all_circuit_breaker_stats() -> dict[str, BreakerStats]:
    """Return the statistics of every registered breaker by name."""
    return {name: breaker.stats() for name, breaker in tuple(_breakers.items())}


def _renew_after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = RLock()


os.register_at_fork(after_in_child=_renew_after_fork)
