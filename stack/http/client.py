"""The client that waits in its thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Unpack

import httpx
from opentelemetry.propagate import inject
from tenacity import Retrying

from stack.http.peer import Peer, PeerOptions
from stack.http.retrying import is_retried, policy
from stack.http.telemetry import Attempt, Guard, client_span, note_response, note_url
from stack.metrics import instruments


class HttpClient(Peer):
    """Calls one peer and waits for its answer; see `Peer` for how. Thread-safe.

    Args:
        name: the peer, as metrics, spans and the breaker name it.
        transport: what carries the requests, for tests.
        options: the other arguments of `Peer`.

    Raises:
        ConfigurationError: an argument is out of bounds.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: httpx.BaseTransport | None = None,
        **options: Unpack[PeerOptions],
    ) -> None:
        super().__init__(name, **options)
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
            options: `json`, `params`, `headers`, `content` as httpx has them, and `timeout`,
                seconds for one attempt.

        Returns:
            The last attempt's response, read to its end, whatever its status.

        Raises:
            CircuitBreakerOpenError: the breaker refused the call.
            CallBudgetExceededError: the budget ran out before an attempt could begin.
            httpx.TransportError: the last attempt had no answer.
        """
        method = method.upper()
        repeatable = self._may_repeat(method, idempotent)
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            with Guard(self.breaker) as guard:
                response = guard.saw(self._attempts(method, path, repeatable, options))
            note_response(span, response)
            return response

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Make one attempt whose body is read piece by piece, timed to its last byte.

        Each piece has `timeout` seconds to come; there is no limit to all of them together.

        Raises:
            CircuitBreakerOpenError: the breaker refused the call.
            httpx.TransportError: there was no answer, or none to its end.
        """
        method = method.upper()
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            attempt = Attempt(self.name, method)
            sent = self._options(options)
            inject(sent["headers"])
            try:
                with (
                    Guard(self.breaker) as guard,
                    self._http().stream(method, path, **sent) as response,
                ):
                    guard.saw(response)
                    yield response
                    attempt.answered(response)
                    note_response(span, response)
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

    def _attempts(
        self, method: str, path: str, repeatable: bool, options: dict[str, Any]
    ) -> httpx.Response:
        """Repeat attempts until one is good, or attempts, time or retries are used up."""
        ends = time.monotonic() + self.budget
        limit = 1 + (self.retries if repeatable else 0)
        number = iter(range(limit))
        retrying = Retrying(**policy(self.name, limit, ends, self._retry_budget))
        response = retrying(lambda: self._attempt(method, path, next(number), ends, options))
        if repeatable and not is_retried(response):
            instruments.record_retry(self.name, "success")
        return response

    def _attempt(
        self, method: str, path: str, number: int, ends: float, options: dict[str, Any]
    ) -> httpx.Response:
        """Send one request and read its whole response."""
        sent = self._options(options)
        deadline = self._deadline(ends, sent.pop("timeout", None))
        http = self._http()
        attempt = Attempt(self.name, method)
        with client_span(method, self._attributes(method, resend=number)) as span:
            inject(sent["headers"])
            request = http.build_request(method, path, extensions={"timeout": deadline}, **sent)
            note_url(span, request.url)
            try:
                response = http.send(request, stream=True)
                try:
                    deadline.bound(response)
                    response.read()
                finally:
                    response.close()
            except httpx.TransportError as error:
                attempt.failed(error)
                raise
            attempt.answered(response)
            note_response(span, response)
            return response

    def _http(self) -> httpx.Client:
        """Return this process's connections; a child of a fork must not share its parent's."""
        held = self._client
        if held is None or held[0] != os.getpid():
            client = httpx.Client(
                base_url=self.base_url, timeout=self.timeout, transport=self._transport
            )
            held = self._client = (os.getpid(), client)
        return held[1]
