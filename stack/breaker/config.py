"""A breaker's configuration: every option, its default and its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from stack.errors import CircuitBreakerOpenError, ConfigurationError

ErrorFilter = type[BaseException] | Callable[[BaseException], bool]
ErrorFilters = ErrorFilter | tuple[ErrorFilter, ...]

_LONGEST_WAIT = 600.0


class MoreOptions(TypedDict, total=False):
    """The options of `BreakerConfig` but for the three that every breaker is asked about."""

    failure_ratio: float | None
    slow_call_seconds: float | None
    slow_call_ratio: float | None
    window_size: int
    window_seconds: float | None
    minimum_calls: int
    backoff_multiplier: float
    max_timeout_seconds: float | None
    half_open_max_calls: int
    probe_seconds: float
    record: ErrorFilters
    ignore: ErrorFilters
    failure_result: Callable[[object], bool] | None


class BreakerOptions(MoreOptions, total=False):
    """All options of `BreakerConfig`."""

    failure_threshold: int
    timeout_seconds: float
    success_threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a breaker opens, how long it stays open, and when it closes again. Immutable.

    Args:
        failure_threshold: consecutive failures that open it.
        failure_ratio: ratio 0–1 of failed calls in the window that opens it; None: not used.
        slow_call_seconds: a call that takes longer counts as slow; None: none does.
        slow_call_ratio: ratio 0–1 of slow calls in the window that opens it; None: not used.
        window_size: calls that the ratios look at, at least `minimum_calls`.
        window_seconds: look only at calls of the last so many seconds, still at most
            `window_size` of them; None: whatever their age.
        minimum_calls: calls in the window before a ratio means anything.
        timeout_seconds: seconds from opening to the first probe.
        backoff_multiplier: the wait grows by this factor with each opening in a row; with a factor
            above 1 the wait is drawn from 0 to its length ("full jitter").
        max_timeout_seconds: the longest wait in seconds; None: 600, or `timeout_seconds` if that
            is longer.
        success_threshold: successful probes that close it.
        half_open_max_calls: probes under way at the same time.
        probe_seconds: when all probes have been under way for so long they are given up and new
            ones pass; choose it longer than the guarded call ever takes.
        record: exceptions that are failures: a type, a predicate or a tuple of them. Cancellation
            and other exceptions that are no `Exception` never count.
        ignore: exceptions that are successes of the called service; wins over `record`.
        failure_result: tells whether a returned value is a failure; the caller gets it all the
            same.

    Raises:
        ConfigurationError: an option is out of bounds, or would do nothing without another.
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
    max_timeout_seconds: float | None = None
    success_threshold: int = 2
    half_open_max_calls: int = 1
    probe_seconds: float = 60.0
    record: ErrorFilters = (Exception,)
    # A refusal by an inner breaker says nothing about the call this one guards.
    ignore: ErrorFilters = (CircuitBreakerOpenError,)
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
        self._check(
            "timeout_seconds", self._finite("timeout_seconds"), "a finite number of seconds >= 0"
        )
        self._check("backoff_multiplier", self._finite("backoff_multiplier", 1.0), "at least 1")
        self._check("probe_seconds", self._positive("probe_seconds"), "seconds > 0")
        for name in ("failure_ratio", "slow_call_ratio"):
            allowed = "None or a ratio above 0, at most 1"
            self._check(name, self._none(name) or self._ratio(name), allowed)
        for name in ("window_seconds", "slow_call_seconds", "max_timeout_seconds"):
            self._check(name, self._none(name) or self._positive(name), "None or seconds > 0")
        is_failure = self.failure_result
        self._check(
            "failure_result", is_failure is None or callable(is_failure), "None or callable"
        )
        for name in ("record", "ignore"):
            self._settle_filters(name)
        self._check_together()

    @property
    def longest_wait(self) -> float:
        """The longest wait in seconds, whether it was given or not."""
        longest = self.max_timeout_seconds
        return max(_LONGEST_WAIT, self.timeout_seconds) if longest is None else longest

    def _check_together(self) -> None:
        """Refuse options that others leave without effect."""
        self._check(
            "window_size",
            self.window_size >= self.minimum_calls,
            f"at least minimum_calls={self.minimum_calls}, or no ratio is ever looked at: "
            "raise window_size or lower minimum_calls",
        )
        self._check(
            "max_timeout_seconds",
            self.longest_wait >= self.timeout_seconds,
            f"at least timeout_seconds={self.timeout_seconds}: raise it or leave it out",
        )
        slow = ("slow_call_seconds", "slow_call_ratio")
        for name, other in (slow, slow[::-1]):
            self._check(
                name, self._none(name) or not self._none(other), f"given together with {other}"
            )
        no_ratio = self.failure_ratio is None and self.slow_call_ratio is None
        self._check(
            "window_seconds",
            self._none("window_seconds") or not no_ratio,
            "given together with failure_ratio or slow_call_ratio, which look at the window",
        )

    def _settle_filters(self, name: str) -> None:
        """Make a tuple of a single filter, so that equal configurations compare so."""
        filters = getattr(self, name)
        filters = filters if isinstance(filters, tuple) else (filters,)
        self._check(
            name,
            all(map(_is_filter, filters)),
            "an exception type, a predicate of exceptions, or a tuple of such",
        )
        object.__setattr__(self, name, filters)

    def _none(self, name: str) -> bool:
        return getattr(self, name) is None

    def _whole(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1

    def _finite(self, name: str, low: float = 0.0) -> bool:
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value) and value >= low

    def _positive(self, name: str) -> bool:
        return self._finite(name) and getattr(self, name) > 0

    def _ratio(self, name: str) -> bool:
        return self._positive(name) and getattr(self, name) <= 1

    def _check(self, name: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise ConfigurationError(name, getattr(self, name), allowed)


def _is_filter(each: object) -> bool:
    return issubclass(each, BaseException) if isinstance(each, type) else callable(each)


def matches(error: BaseException, filters: ErrorFilters) -> bool:
    """Tell whether an exception is of one of the types, or one of the predicates says so."""
    return any(
        isinstance(error, each) if isinstance(each, type) else each(error)
        for each in (filters if isinstance(filters, tuple) else (filters,))
    )
