"""The client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack
from weakref import WeakKeyDictionary

import httpx
from tenacity import AsyncRetrying

from stack.http.outgoing import CallOptions, Outgoing, RequestOptions
from stack.http.peer import Peer, PeerOptions
from stack.http.retrying import is_retried, policy
from stack.http.streaming import StreamedCall
from stack.http.telemetry import Attempt, Guard, client_span, note_response
from stack.metrics import instruments


class AsyncHttpClient(Peer):
    """Calls one peer and awaits its answer; see `Peer` for how. Each event loop has connections.

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
        transport: httpx.AsyncBaseTransport | None = None,
        **options: Unpack[PeerOptions],
    ) -> None:
        super().__init__(name, **options)
        self._transport = transport
        # A child of a fork has loops of its own, and so connections of its own.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient]
        self._clients = WeakKeyDictionary()

    async def get(self, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Send a GET; options as of `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Send a POST, which is not repeated unless `idempotent=True`; options as of `request`."""
        return await self.request("POST", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> httpx.Response:
        """Make one logical call: arguments, result and errors are those of `HttpClient.request`."""
        outgoing = self._outgoing(method, path, options, idempotent)
        method = outgoing.method
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            with Guard(self.breaker) as guard:
                response = guard.saw(await self._attempts(outgoing))
            note_response(span, response)
            return response

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[httpx.Response]:
        """Make one attempt whose body is read piece by piece, as `HttpClient.stream` does."""
        outgoing = self._outgoing(method, path, options)
        attributes = self._attributes(outgoing.method) | {"url.full": outgoing.shown}
        with StreamedCall(self.name, outgoing.method, self.breaker, attributes) as call:
            http = self._http()
            timeout = httpx.Timeout(outgoing.timeout).as_dict()
            with call.sending():
                response = await http.send(outgoing.request(http, timeout), stream=True)
            try:
                yield call.answered(response)
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Close this loop's connections; the next call makes new ones."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> AsyncHttpClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _attempts(self, outgoing: Outgoing) -> httpx.Response:
        ends = time.monotonic() + self.budget
        limit = 1 + (self.retries if outgoing.repeatable else 0)
        number = iter(range(limit))
        retrying = AsyncRetrying(**policy(self.name, limit, ends, self._retry_budget))

        async def attempt() -> httpx.Response:
            return await self._attempt(outgoing, next(number), ends)

        response: httpx.Response = await retrying(attempt)
        if outgoing.repeatable and not is_retried(response):
            instruments.record_retry(self.name, "success")
        return response

    async def _attempt(self, outgoing: Outgoing, number: int, ends: float) -> httpx.Response:
        deadline = self._deadline(ends, outgoing.timeout)
        http = self._http()
        attempt = Attempt(self.name, outgoing.method)
        attributes = self._attributes(outgoing.method, resend=number) | {"url.full": outgoing.shown}
        with client_span(outgoing.method, attributes) as span:
            request = outgoing.request(http, deadline)
            try:
                response = await http.send(request, stream=True)
                try:
                    deadline.bound(response)
                    await response.aread()
                finally:
                    await response.aclose()
            except httpx.RequestError as error:
                attempt.failed(error)
                raise
            attempt.answered(response)
            note_response(span, response)
            return response

    def _http(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                timeout=self.timeout, transport=self._transport
            )
        return client
