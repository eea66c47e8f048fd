"""Every error this library raises, in one tree.

StackError
├── ConfigurationError (also ValueError)   a setting, option or file is wrong
│   └── CircuitBreakerConfigError          one name, two configurations
├── CircuitBreakerOpenError                a call was refused without being made
├── CallBudgetExceededError                a client call ran out of its total time
└── OpsError                               a `stack` command cannot go on
"""

from __future__ import annotations


class StackError(Exception):
    """Base of every error raised on purpose by `stack`."""


class ConfigurationError(StackError, ValueError):
    """A setting, option or file is wrong; the message names it, its value and the mend.

    Args:
        name: the variable, option or field at fault.
        value: what it was; never pass a secret here.
        allowed: what would be right, as the end of "… must be".
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        self.name = name
        self.value = value
        self.allowed = allowed
        super().__init__(f"{name}={value!r} is not valid: must be {allowed}")


class CircuitBreakerConfigError(ConfigurationError):
    """A breaker of this name exists already with other settings."""

    def __init__(self, name: str, existing: object, requested: object) -> None:
        super().__init__(
            f"circuit breaker {name!r}",
            requested,
            f"configured once; it exists already with {existing!r}",
        )


class CircuitBreakerOpenError(StackError):
    """The breaker refused the call, which was not made.

    Args:
        name: the breaker.
        state: its state as text: open, half_open.
        retry_after: seconds until the next probe may pass; 0.0 when one may pass at any moment.
    """

    def __init__(self, name: str, state: str, retry_after: float) -> None:
        self.name = name
        self.state = state
        self.retry_after = retry_after
        super().__init__(
            f"circuit breaker {name!r} is {state}; next probe in {retry_after:.1f} s",
        )


class CallBudgetExceededError(StackError):
    """A client call used up its total time before an attempt could succeed.

    Args:
        peer: the service called.
        budget: seconds that all attempts together may take.
    """

    def __init__(self, peer: str, budget: float) -> None:
        self.peer = peer
        self.budget = budget
        super().__init__(f"call to {peer!r} exceeded its total budget of {budget:g} s")


class OpsError(StackError):
    """A command cannot go on; the message is one line that says what to do."""
