"""The client that waits in its thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

import httpx
from tenacity import Retrying

from stack.http.outgoing import CallOptions, Outgoing, RequestOptions
from stack.http.peer import Peer, PeerOptions
from stack.http.retrying import is_retried, policy
from stack.http.streaming import StreamedCall
from stack.http.telemetry import Attempt, Guard, client_span, note_response
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

    def get(self, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Send a GET; options as of `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Send a POST, which is not repeated unless `idempotent=True`; options as of `request`."""
        return self.request("POST", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> httpx.Response:
        """Make one logical call.

        Args:
            method: the HTTP method.
            path: below `base_url`.
            idempotent: whether it may be repeated; by default what the method says. A body that
                can be read only once is sent only once.
            options: those of `RequestOptions`; `timeout` is in seconds for one attempt.

        Returns:
            The last attempt's response, read to its end, whatever its status.

        Raises:
            CircuitBreakerOpenError: the breaker refused the call.
            CallBudgetExceededError: the budget ran out before an attempt could begin.
            ConfigurationError: the path or an option cannot be used; nothing was sent.
            httpx.TransportError: the last attempt had no answer.
            httpx.DecodingError: the answer's body is not encoded as its headers say.
        """
        outgoing = self._outgoing(method, path, options, idempotent)
        method = outgoing.method
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            with Guard(self.breaker) as guard:
                response = guard.saw(self._attempts(outgoing))
            note_response(span, response)
            return response

    @contextmanager
    def stream(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> Iterator[httpx.Response]:
        """Make one attempt whose body is read piece by piece, timed to its last byte.

        Each piece has `timeout` seconds to come; there is no limit to all of them together. Only
        what the peer does decides for the breaker: its status and whether the body comes to its
        end, not what is raised in the block. A body that is not read to its end is counted with
        its status; the block may be left in another context or thread than entered.

        Args:
            method: the HTTP method.
            path: below `base_url`.
            options: those of `RequestOptions`.

        Raises:
            CircuitBreakerOpenError: the breaker refused the call.
            ConfigurationError: the path or an option cannot be used; nothing was sent.
            httpx.RequestError: there was no answer, none to its end, or it cannot be decoded.
        """
        outgoing = self._outgoing(method, path, options)
        attributes = self._attributes(outgoing.method) | {"url.full": outgoing.shown}
        with StreamedCall(self.name, outgoing.method, self.breaker, attributes) as call:
            http = self._http()
            timeout = httpx.Timeout(outgoing.timeout).as_dict()
            with call.sending():
                response = http.send(outgoing.request(http, timeout), stream=True)
            try:
                yield call.answered(response)
            finally:
                response.close()

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        if self._client is not None and self._client[0] == os.getpid():
            self._client[1].close()
        self._client = None

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempts(self, outgoing: Outgoing) -> httpx.Response:
        """Repeat attempts until one is good, or attempts, time or retries are used up."""
        ends = time.monotonic() + self.budget
        limit = 1 + (self.retries if outgoing.repeatable else 0)
        number = iter(range(limit))
        retrying = Retrying(**policy(self.name, limit, ends, self._retry_budget))
        response = retrying(lambda: self._attempt(outgoing, next(number), ends))
        if outgoing.repeatable and not is_retried(response):
            instruments.record_retry(self.name, "success")
        return response

    def _attempt(self, outgoing: Outgoing, number: int, ends: float) -> httpx.Response:
        """Send one request and read its whole response."""
        deadline = self._deadline(ends, outgoing.timeout)
        http = self._http()
        attempt = Attempt(self.name, outgoing.method)
        attributes = self._attributes(outgoing.method, resend=number) | {"url.full": outgoing.shown}
        with client_span(outgoing.method, attributes) as span:
            request = outgoing.request(http, deadline)
            try:
                response = http.send(request, stream=True)
                try:
                    deadline.bound(response)
                    response.read()
                finally:
                    response.close()
            except httpx.RequestError as error:
                attempt.failed(error)
                raise
            attempt.answered(response)
            note_response(span, response)
            return response

    def _http(self) -> httpx.Client:
        """Return this process's connections; a child of a fork must not share its parent's."""
        held = self._client
        if held is None or held[0] != os.getpid():
            client = httpx.Client(timeout=self.timeout, transport=self._transport)
            held = self._client = (os.getpid(), client)
        return held[1]
