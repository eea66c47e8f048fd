"""An HTTP client for calls to other services: bounded, retried with care, and watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result
from tenacity.wait import wait_random_exponential

from stack.breaker import CircuitBreaker, get_circuit_breaker
from stack.errors import CallBudgetExceededError, ConfigurationError
from stack.metrics import instruments

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})

_tracer = trace.get_tracer("stack.http")


class HttpClient:
    """Calls one peer, with a deadline, retries, a circuit breaker, metrics, spans and traceparent.

    Attempts are repeated only for idempotent methods or calls marked so, after connection errors,
    timeouts and the statuses 429, 500, 502, 503 and 504; `Retry-After` is honoured. All attempts
    and waits together stay within the budget. A 5xx answer is returned when attempts are used up,
    and counts as a failure for the breaker; so does a call without an answer.

    Thread-safe. Each process makes its own connections, so it may be created before a fork.

    Args:
        name: the peer, as metrics, spans and the breaker name it.
        base_url: its address, http or https.
        timeout: seconds for one attempt.
        budget: seconds for all attempts and waits together; by default what `retries` attempts
            of `timeout` would take.
        retries: repeated attempts after the first.
        breaker: its breaker; by default the registered one of that name; None for none.
        headers: sent with every request.
        transport: what carries the requests, for tests.

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
        breaker: CircuitBreaker | Literal[True] | None = True,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.name = name
        self.base_url = _checked_url(base_url)
        self.timeout = _checked_seconds("timeout", timeout)
        self.budget = _checked_seconds("budget", budget or timeout * (retries + 1))
        self.retries = retries
        self.breaker = get_circuit_breaker(name) if breaker is True else breaker
        self._headers = dict(headers or {})
        self._transport = transport
        self._client: tuple[int, httpx.Client] | None = None

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET; options as of `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a POST, which is not repeated unless `idempotent=True`; options as of `request`."""
        return self.request("POST", path, **options)

    def request(
        self, method: str, path: str, *, idempotent: bool | None = None, **options: Any
    ) -> httpx.Response:
        """Make one logical call.

        Args:
            method: the HTTP method.
            path: below `base_url`.
            idempotent: whether it may be repeated; by default what the method says.
            options: `json`, `params`, `headers`, `content`, `timeout` as httpx has them.

        Returns:
            The last attempt's response, whatever its status.

        Raises:
            CircuitBreakerOpenError: the breaker refused the call.
            CallBudgetExceededError: the budget ran out before an attempt could begin.
            httpx.TransportError: the last attempt had no answer.
        """
        method = method.upper()
        repeatable = method in IDEMPOTENT if idempotent is None else idempotent
        with _span(f"{method} {self.name}", self._attributes(method)) as span:
            response = self._guarded(lambda: self._attempts(method, path, repeatable, options))
            _note_response(span, response)
            return response

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Make one attempt whose body is read piece by piece, timed to its last byte."""
        attributes = self._attributes(method.upper())
        with _span(f"{method.upper()} {self.name}", attributes) as span:
            attempt = _Attempt(self.name, method.upper())
            headers = {**self._headers, **(options.pop("headers", None) or {})}
            inject(headers)
            try:
                with (
                    _Guard(self.breaker) as guard,
                    self._http().stream(method, path, headers=headers, **options) as response,
                ):
                    guard.saw(response)
                    yield response
                    attempt.answered(response)
                    _note_response(span, response)
            except Exception as error:
                attempt.failed(error)
                raise

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        if self._client is not None and self._client[0] == os.getpid():
            self._client[1].close()
        self._client = None

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _guarded(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        with _Guard(self.breaker) as guard:
            return guard.saw(call())

    def _attempts(
        self, method: str, path: str, repeatable: bool, options: dict[str, Any]
    ) -> httpx.Response:
        """Repeat attempts until one is good, or attempts or budget are used up."""
        deadline = time.monotonic() + self.budget
        limit = 1 + (self.retries if repeatable else 0)
        retrying = Retrying(
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_retried),
            wait=_wait,
            stop=lambda state: (
                state.attempt_number >= limit
                or time.monotonic() + (state.upcoming_sleep or 0.0) >= deadline
            ),
            before_sleep=lambda _: instruments.record_retry(self.name, "retried"),
            retry_error_callback=lambda state: self._exhausted(state, repeatable),
        )
        number = iter(range(limit))
        response = retrying(lambda: self._attempt(method, path, next(number), deadline, options))
        if repeatable and not _is_retried(response):
            instruments.record_retry(self.name, "success")
        return response

    def _exhausted(self, state: RetryCallState, repeatable: bool) -> httpx.Response:
        if repeatable:
            instruments.record_retry(self.name, "exhausted")
        assert state.outcome is not None  # noqa: S101 -- tenacity calls this after an attempt
        response: httpx.Response = state.outcome.result()
        return response

    def _attempt(
        self, method: str, path: str, number: int, deadline: float, options: dict[str, Any]
    ) -> httpx.Response:
        """Send one request and read its whole response."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise CallBudgetExceededError(self.name, self.budget)
        headers = {**self._headers, **(options.get("headers") or {})}
        timeout = min(options.get("timeout") or self.timeout, left)
        attributes = self._attributes(method)
        if number:
            attributes["http.request.resend_count"] = number
        attempt = _Attempt(self.name, method)
        with _span(method, attributes) as span:
            inject(headers)
            url = self._http().build_request(method, path).url
            span.set_attribute("url.full", str(url.copy_with(query=None, userinfo=b"")))
            try:
                response = self._http().request(
                    method, path, **{**options, "headers": headers, "timeout": timeout}
                )
            except httpx.TransportError as error:
                attempt.failed(error)
                raise
            attempt.answered(response)
            _note_response(span, response)
            return response

    def _attributes(self, method: str) -> dict[str, str | int]:
        default_port = 443 if self.base_url.scheme == "https" else 80
        return {
            "http.request.method": method,
            "server.address": self.base_url.host,
            "server.port": self.base_url.port or default_port,
            "peer.service": self.name,
        }

    def _http(self) -> httpx.Client:
        """Return this process's connections; a child of a fork must not share its parent's."""
        held = self._client
        if held is None or held[0] != os.getpid():
            client = httpx.Client(
                base_url=self.base_url, timeout=self.timeout, transport=self._transport
            )
            held = self._client = (os.getpid(), client)
        return held[1]


class _Attempt:
    """The metric of one attempt."""

    def __init__(self, peer: str, method: str) -> None:
        self._peer = peer
        self._method = method
        self._started = time.perf_counter()

    def answered(self, response: httpx.Response) -> None:
        status = response.status_code
        self._record(status, str(status) if status >= 400 else "")

    def failed(self, error: BaseException) -> None:
        self._record(None, type(error).__qualname__)

    def _record(self, status: int | None, error_type: str) -> None:
        seconds = time.perf_counter() - self._started
        instruments.record_client_request(self._peer, self._method, status, error_type, seconds)


class _ServerError(Exception):
    """Tells the breaker of a 5xx; the caller gets the response instead."""


class _Guard:
    """A breaker around a call, where there is one, to which a 5xx is a failure."""

    def __init__(self, breaker: CircuitBreaker | None) -> None:
        self._breaker = breaker
        self._failed = False

    def __enter__(self) -> _Guard:
        if self._breaker is not None:
            self._breaker.__enter__()
        return self

    def saw(self, response: httpx.Response) -> httpx.Response:
        self._failed = response.status_code >= 500
        return response

    def __exit__(self, kind: object, error: BaseException | None, stack: object) -> None:
        if self._breaker is not None:
            if error is None and self._failed:
                error = _ServerError()
            self._breaker.__exit__(type(error), error, stack)


@contextmanager
def _span(name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    """Make a client span current; an exception is noted by its type."""
    with _tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise


def _note_response(span: Span, response: httpx.Response) -> None:
    span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 400:
        span.set_attribute("error.type", str(response.status_code))
        span.set_status(Status(StatusCode.ERROR))


def _is_retried(response: httpx.Response) -> bool:
    return response.status_code in RETRIED_STATUS


_backoff = wait_random_exponential(multiplier=0.1, max=2.0)


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
