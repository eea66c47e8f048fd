"""A breaker's configuration: every option, its default and its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from stack.errors import CircuitBreakerOpenError, ConfigurationError

ErrorFilter = type[BaseException] | Callable[[BaseException], bool]


class MoreOptions(TypedDict, total=False):
    """The options of `BreakerConfig` but for the three that every breaker is asked about."""

    failure_ratio: float | None
    slow_call_seconds: float | None
    slow_call_ratio: float | None
    window_size: int
    window_seconds: float | None
    minimum_calls: int
    backoff_multiplier: float
    max_timeout_seconds: float
    half_open_max_calls: int
    record: tuple[ErrorFilter, ...]
    ignore: tuple[ErrorFilter, ...]
    failure_result: Callable[[object], bool] | None


class BreakerOptions(MoreOptions, total=False):
    """All options of `BreakerConfig`."""

    failure_threshold: int
    timeout_seconds: float
    success_threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a breaker opens, how long it stays open, and when it closes again.

    Args:
        failure_threshold: consecutive failures that open it.
        failure_ratio: ratio 0–1 of failed calls in the window that opens it; None: not used.
        slow_call_seconds: a call that takes longer counts as slow; None: none does.
        slow_call_ratio: ratio 0–1 of slow calls in the window that opens it; None: not used.
        window_size: calls that the ratios look at.
        window_seconds: seconds that the ratios look back instead; None: `window_size` calls.
        minimum_calls: calls in the window before a ratio means anything.
        timeout_seconds: seconds from opening to the first probe.
        backoff_multiplier: the wait grows by this factor with each opening in a row; with a factor
            above 1 the wait is drawn from 0 to its length ("full jitter").
        max_timeout_seconds: the longest wait.
        success_threshold: successful probes that close it.
        half_open_max_calls: probes under way at the same time.
        record: exceptions that are failures, as types or predicates.
        ignore: exceptions that are successes of the called service; wins over `record`.
        failure_result: tells whether a returned value is a failure.
    """

    failure_threshold: int = 5
    failure_ratio: float | None = None
    slow_call_seconds: float | None = None
    slow_call_ratio: float | None = None
    window_size: int = 100
    window_seconds: float | None = None
    minimum_calls: int = 10
    timeout_seconds: float = 60.0
    backoff_multiplier: float = 1.0
    max_timeout_seconds: float = 600.0
    success_threshold: int = 2
    half_open_max_calls: int = 1
    record: tuple[ErrorFilter, ...] = (Exception,)
    # A refusal by an inner breaker says nothing about the call this one guards.
    ignore: tuple[ErrorFilter, ...] = (CircuitBreakerOpenError,)
    failure_result: Callable[[object], bool] | None = None

    def __post_init__(self) -> None:
        for name in (
            "failure_threshold",
            "window_size",
            "minimum_calls",
            "success_threshold",
            "half_open_max_calls",
        ):
            self._check(name, self._whole(name), "a whole number of at least 1")
        for name in ("timeout_seconds", "max_timeout_seconds"):
            self._check(name, self._finite(name, 0.0), "a finite number of seconds, at least 0")
        self._check("backoff_multiplier", self._finite("backoff_multiplier", 1.0), "at least 1")
        for name in ("failure_ratio", "slow_call_ratio"):
            value = getattr(self, name)
            self._check(
                name, value is None or self._is_ratio(value), "None or a ratio above 0, at most 1"
            )
        for name in ("window_seconds", "slow_call_seconds"):
            value = getattr(self, name)
            self._check(
                name,
                value is None or (self._finite(name, 0.0) and value > 0),
                "None or seconds > 0",
            )

    def is_failure(self, error: BaseException) -> bool:
        """Tell whether an exception counts as a failure of the called service."""
        return _matches(error, self.record) and not _matches(error, self.ignore)

    def _whole(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1

    def _finite(self, name: str, low: float) -> bool:
        value = getattr(self, name)
        return isinstance(value, (int, float)) and math.isfinite(value) and value >= low

    @staticmethod
    def _is_ratio(value: object) -> bool:
        return isinstance(value, (int, float)) and 0 < value <= 1

    def _check(self, name: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise ConfigurationError(name, getattr(self, name), allowed)


def _matches(error: BaseException, filters: tuple[ErrorFilter, ...]) -> bool:
    return any(
        isinstance(error, each) if isinstance(each, type) else each(error) for each in filters
    )
