"""What both clients know of the service they call."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Required, TypedDict

from stack.breaker import CircuitBreaker, get_circuit_breaker
from stack.errors import CallBudgetExceededError, ConfigurationError
from stack.http.deadline import Deadline
from stack.http.outgoing import (
    HeaderTypes,
    Outgoing,
    RequestOptions,
    address,
    check_options,
    checked_base,
    checked_headers,
    checked_seconds,
)
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
    headers: HeaderTypes | None


class Peer:
    """Calls one peer, with a deadline, retries, a circuit breaker, metrics, spans and traceparent.

    Attempts are repeated only for idempotent methods or calls marked so, after connection errors,
    timeouts and the statuses 429, 500, 502, 503 and 504; `Retry-After` is honoured. All attempts
    and waits together stay within the budget; only an answer that stalls halfway may take up to one
    `timeout` more. Retries are at most a share of all calls, so that they do not make an outage
    worse. A 5xx answer is returned when attempts are used up, and counts as a failure for the
    breaker; so does a call without an answer. An exception of the caller's own counts as nothing.

    Thread-safe; fork-safe, for each process makes its own connections.

    Args:
        name: the peer, as metrics, spans and the breaker name it.
        base_url: its address, http or https; nothing else is called, for the headers are its own.
        timeout: seconds for one attempt.
        budget: seconds for all attempts and waits together; by default what `retries` attempts
            of `timeout` would take.
        retries: repeated attempts after the first.
        retry_ratio: retries for each call, 0–1, that are possible in the long run; ten more are
            possible at any time.
        breaker: its breaker; by default the registered one of that name; None for none.
        headers: sent with every request, a mapping or pairs.

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
        headers: HeaderTypes | None = None,
    ) -> None:
        if not (isinstance(name, str) and name):
            raise ConfigurationError("name", name, "the peer's name as text")
        self.name = name
        self.base_url = checked_base(base_url)
        self.timeout = checked_seconds("timeout", timeout)
        if type(retries) is not int or not 0 <= retries <= 100:
            raise ConfigurationError("retries", retries, "a whole number from 0 to 100")
        self.retries = retries
        all_attempts = timeout * (retries + 1)
        self.budget = all_attempts if budget is None else checked_seconds("budget", budget)
        self._retry_budget = RetryBudget(retry_ratio)
        if not (breaker is True or breaker is None or isinstance(breaker, CircuitBreaker)):
            raise ConfigurationError("breaker", breaker, "a CircuitBreaker, True or None")
        self.breaker = get_circuit_breaker(name) if breaker is True else breaker
        self._headers = checked_headers(headers)

    def _outgoing(
        self, method: str, path: str, options: RequestOptions, idempotent: bool | None = None
    ) -> Outgoing:
        """Return what all attempts of a call have in common.

        Raises:
            ConfigurationError: the path or an option cannot be used.
        """
        check_options(options)
        body: dict[str, Any] = {**options}
        headers = checked_headers(self._headers, body.pop("headers", None))
        extensions = dict(body.pop("extensions", None) or {})
        timeout = body.pop("timeout", None)
        method = method.upper()
        if idempotent is None:
            idempotent = method in IDEMPOTENT
        return Outgoing(
            method,
            address(self.base_url, path),
            headers,
            body,
            extensions,
            self.timeout if timeout is None else checked_seconds("timeout", timeout),
            # What was read to send it is not there a second time.
            idempotent and not isinstance(body.get("content"), (Iterator, AsyncIterator)),
        )

    def _deadline(self, ends: float, timeout: float) -> Deadline:
        """Return the time limit of one attempt.

        Args:
            ends: when the call's budget is over, in monotonic seconds.
            timeout: seconds that one attempt may take.

        Raises:
            CallBudgetExceededError: nothing is left of the budget.
        """
        now = time.monotonic()
        if now >= ends:
            raise CallBudgetExceededError(self.name, self.budget)
        return Deadline(min(ends, now + timeout))

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
