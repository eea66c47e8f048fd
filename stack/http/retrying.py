"""Which attempts are repeated, when, and how many at most."""

from __future__ import annotations

import os
import time
import weakref
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception, retry_if_result
from tenacity.wait import wait_random_exponential

from stack.errors import ConfigurationError
from stack.http.telemetry import is_peers
from stack.metrics import instruments

RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
# Retries that are possible at any time, however few calls there are.
RESERVE = 10.0

_backoff = wait_random_exponential(multiplier=0.1, max=2.0)


class RetryBudget:
    """Caps retries to a share of the calls, so that they cannot multiply an outage.

    A bucket of tokens: each call adds `ratio` of one, each retry takes one. Thread-safe, fork-safe.
    Source: Finagle's retry budgets, https://finagle.github.io/blog/2016/02/08/retry-budgets/

    Args:
        ratio: retries for each call, 0–1, in the long run.

    Raises:
        ConfigurationError: the ratio is none.
    """

    def __init__(self, ratio: float) -> None:
        if not (isinstance(ratio, (int, float)) and 0 <= ratio <= 1):
            raise ConfigurationError("retry_ratio", ratio, "a ratio from 0 to 1")
        self._ratio = ratio
        self._tokens = RESERVE
        self._lock = Lock()
        _budgets.add(self)

    def deposit(self) -> None:
        """Take note of a call."""
        with self._lock:
            self._tokens = min(RESERVE, self._tokens + self._ratio)

    def withdraw(self) -> bool:
        """Tell whether a retry may be made, and take note of it."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def renew_lock(self) -> None:
        """Replace a lock that another thread may have held at the fork."""
        self._lock = Lock()


_budgets: weakref.WeakSet[RetryBudget] = weakref.WeakSet()


def _renew_locks() -> None:
    for budget in tuple(_budgets):
        budget.renew_lock()


os.register_at_fork(after_in_child=_renew_locks)


def policy(name: str, attempts: int, ends: float, budget: RetryBudget) -> dict[str, Any]:
    """Return the arguments of tenacity's `Retrying` or `AsyncRetrying`.

    Args:
        name: the peer, for the metric.
        attempts: the most that are made; 1 for a call that is not repeated.
        ends: when the call's time is over, in monotonic seconds.
        budget: what retries are taken from.
    """
    budget.deposit()

    def is_last(state: RetryCallState) -> bool:
        wait = state.upcoming_sleep or 0.0
        if state.attempt_number >= attempts or time.monotonic() + wait >= ends:
            return True
        return not budget.withdraw()

    def give_up(state: RetryCallState) -> httpx.Response:
        if attempts > 1:
            instruments.record_retry(name, "exhausted")
        assert state.outcome is not None  # noqa: S101 -- tenacity calls this after an attempt
        response: httpx.Response = state.outcome.result()
        return response

    return {
        "retry": retry_if_exception(_may_pass) | retry_if_result(is_retried),
        "wait": _wait,
        "stop": is_last,
        "before_sleep": lambda _: instruments.record_retry(name, "retried"),
        "retry_error_callback": give_up,
    }


def is_retried(response: httpx.Response) -> bool:
    """Tell whether the same request may get another answer later."""
    return response.status_code in RETRIED_STATUS


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, httpx.TransportError) and is_peers(error)


def _wait(state: RetryCallState) -> float:
    """Wait as the peer asks, else exponentially with full jitter; seconds."""
    outcome = state.outcome
    if outcome is not None and not outcome.failed:
        asked = _retry_after(outcome.result())
        if asked is not None:
            return asked
    return _backoff(state)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for, in either of its forms."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
