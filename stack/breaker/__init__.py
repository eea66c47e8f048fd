"""The circuit breaker: stop calling what does not answer."""

from stack.breaker.breaker import (
    BreakerStats,
    CircuitBreaker,
    LLMCircuitBreaker,
)
from stack.breaker.config import BreakerConfig
from stack.breaker.guard import Guard
from stack.breaker.registry import (
    get_all_circuit_breaker_stats,
    get_circuit_breaker,
    reset_all_circuit_breakers,
)
from stack.breaker.shared import share_state
from stack.breaker.state import CircuitState

__all__ = [
    "BreakerConfig",
    "BreakerStats",
    "CircuitBreaker",
    "CircuitState",
    "Guard",
    "LLMCircuitBreaker",
    "get_all_circuit_breaker_stats",
    "get_circuit_breaker",
    "reset_all_circuit_breakers",
    "share_state",
]
