"""What both clients know of the service they call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

import httpx

from stack.breaker import CircuitBreaker, get_circuit_breaker
from stack.errors import CallBudgetExceededError, ConfigurationError
from stack.http.deadline import Deadline
from stack.http.retrying import RetryBudget

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


class PeerOptions(TypedDict, total=False):
    """The arguments of `Peer` but for its name."""

    base_url: Required[str]
    timeout: float
    budget: float | None
    retries: int
    retry_ratio: float
    breaker: CircuitBreaker | Literal[True] | None
    headers: Mapping[str, str] | None


class Peer:
    """Calls one peer, with a deadline, retries, a circuit breaker, metrics, spans and traceparent.

    Attempts are repeated only for idempotent methods or calls marked so, after connection errors,
    timeouts and the statuses 429, 500, 502, 503 and 504; `Retry-After` is honoured. All attempts
    and waits together stay within the budget; only an answer that stalls halfway may take up to one
    `timeout` more. Retries are at most a share of all calls, so that they do not make an outage
    worse. A 5xx answer is returned when attempts are used up, and counts as a failure for the
    breaker; so does a call without an answer.

    Each process makes its own connections, so it may be created before a fork.

    Args:
        name: the peer, as metrics, spans and the breaker name it.
        base_url: its address, http or https.
        timeout: seconds for one attempt.
        budget: seconds for all attempts and waits together; by default what `retries` attempts
            of `timeout` would take.
        retries: repeated attempts after the first.
        retry_ratio: retries for each call, 0–1, that are possible in the long run; ten more are
            possible at any time.
        breaker: its breaker; by default the registered one of that name; None for none.
        headers: sent with every request.

    Raises:
        ConfigurationError: an argument is out of bounds.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        timeout: float = 2.0,
        budget: float | None = None,
        retries: int = 2,
        retry_ratio: float = 0.2,
        breaker: CircuitBreaker | Literal[True] | None = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.base_url = _checked_url(base_url)
        self.timeout = _checked_seconds("timeout", timeout)
        if not (isinstance(retries, int) and 0 <= retries <= 100):
            raise ConfigurationError("retries", retries, "a whole number from 0 to 100")
        if not 0 <= retry_ratio <= 1:
            raise ConfigurationError("retry_ratio", retry_ratio, "a ratio from 0 to 1")
        self.budget = _checked_seconds("budget", budget or timeout * (retries + 1))
        self.retries = retries
        self.breaker = get_circuit_breaker(name) if breaker is True else breaker
        self._retry_budget = RetryBudget(retry_ratio)
        self._headers = dict(headers or {})

    def _may_repeat(self, method: str, idempotent: bool | None) -> bool:
        return method in IDEMPOTENT if idempotent is None else idempotent

    def _deadline(self, ends: float, timeout: float | None) -> Deadline:
        """Return the time limit of one attempt.

        Args:
            ends: when the call's budget is over, in monotonic seconds.
            timeout: seconds that the caller gives this attempt; the client's when None.

        Raises:
            CallBudgetExceededError: nothing is left of the budget.
        """
        now = time.monotonic()
        if now >= ends:
            raise CallBudgetExceededError(self.name, self.budget)
        return Deadline(min(ends, now + (timeout or self.timeout)))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return a request's options with headers of its own, which may be added to."""
        headers = {**self._headers, **(options.get("headers") or {})}
        return {**options, "headers": headers}

    def _attributes(self, method: str, resend: int = 0) -> dict[str, str | int]:
        """Return a span's attributes; see OpenTelemetry's conventions for HTTP clients."""
        default_port = 443 if self.base_url.scheme == "https" else 80
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": self.base_url.host,
            "server.port": self.base_url.port or default_port,
            "peer.service": self.name,
        }
        if resend:
            attributes["http.request.resend_count"] = resend
        return attributes


def _checked_url(raw: str) -> httpx.URL:
    try:
        url = httpx.URL(raw)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError("base_url", raw, "an http:// or https:// URL with a host")
    return url


def _checked_seconds(name: str, value: float) -> float:
    if not 0 < value < 86_400:
        raise ConfigurationError(name, value, "seconds above 0 and below a day")
    return value
