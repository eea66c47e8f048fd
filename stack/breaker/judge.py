"""Which results of calls are failures of the called service."""

from __future__ import annotations

import logging

from stack.breaker.config import BreakerConfig, matches

_log = logging.getLogger(__name__)


class Judge:
    """Tells failures from successes by a configuration's filters and predicate. Thread-safe.

    A predicate that raises never stands in the caller's way: the call counts as a failure, and the
    first time is logged.

    Args:
        name: the breaker, for the log.
        config: with `record`, `ignore` and `failure_result`.
    """

    def __init__(self, name: str, config: BreakerConfig) -> None:
        self._name = name
        self._config = config
        self._complained = False

    def error(self, error: Exception) -> bool:
        """Tell whether an exception is a failure."""
        try:
            return matches(error, self._config.record) and not matches(error, self._config.ignore)
        except Exception as broken:
            self._complain(broken)
            return True

    def result(self, result: object) -> Exception | None:
        """Return what a returned value counts as; None for a success."""
        is_failure = self._config.failure_result
        if is_failure is None:
            return None
        try:
            return FailureResultError(result) if is_failure(result) else None
        except Exception as broken:
            self._complain(broken)
            return broken

    def _complain(self, broken: Exception) -> None:
        if not self._complained:
            self._complained = True
            _log.error(
                "a predicate of breaker %r raised; calls it cannot judge count as failures",
                self._name,
                exc_info=broken,
            )


class FailureResultError(Exception):
    """What an event shows for a returned value that counted as a failure."""

    def __init__(self, value: object) -> None:
        super().__init__(f"returned a {type(value).__name__} that counts as a failure")
