"""Breakers by name, one for the whole process."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from stack.breaker.breaker import BreakerStats, CircuitBreaker
from stack.breaker.config import BreakerConfig
from stack.errors import CircuitBreakerConfigError

_breakers: dict[str, CircuitBreaker] = {}
_lock = Lock()


def get_circuit_breaker(name: str, **config: Any) -> CircuitBreaker:
    """Return the breaker of that name, made with `config` the first time. Thread-safe.

    Args:
        name: the component it guards.
        config: options of `BreakerConfig`; none means: whatever it was made with.

    Raises:
        CircuitBreakerConfigError: it exists with another configuration.
        ConfigurationError: an option is out of bounds.
    """
    with _lock:
        existing = _breakers.get(name)
        if existing is None:
            existing = _breakers[name] = CircuitBreaker(name, **config)
        elif config and existing.config != BreakerConfig(**config):
            raise CircuitBreakerConfigError(name, existing.config, BreakerConfig(**config))
        return existing


def reset_all_circuit_breakers() -> None:
    """Close every registered breaker and forget what it counted."""
    for breaker in tuple(_breakers.values()):
        breaker.reset()


def get_all_circuit_breaker_stats() -> dict[str, BreakerStats]:
    """Return the statistics of every registered breaker by name."""
    return {name: breaker.stats() for name, breaker in tuple(_breakers.items())}


def _renew_after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = Lock()


os.register_at_fork(after_in_child=_renew_after_fork)
