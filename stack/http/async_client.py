"""The client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Unpack
from weakref import WeakKeyDictionary

import httpx
from opentelemetry.propagate import inject
from tenacity import AsyncRetrying

from stack.http.peer import Peer, PeerOptions
from stack.http.retrying import is_retried, policy
from stack.http.telemetry import Attempt, Guard, client_span, note_response, note_url
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

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET; options as of `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a POST, which is not repeated unless `idempotent=True`; options as of `request`."""
        return await self.request("POST", path, **options)

    async def request(
        self, method: str, path: str, *, idempotent: bool | None = None, **options: Any
    ) -> httpx.Response:
        """Make one logical call: arguments, result and errors are those of `HttpClient.request`."""
        method = method.upper()
        repeatable = self._may_repeat(method, idempotent)
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            with Guard(self.breaker) as guard:
                response = guard.saw(await self._attempts(method, path, repeatable, options))
            note_response(span, response)
            return response

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """Make one attempt whose body is read piece by piece, as `HttpClient.stream` does."""
        method = method.upper()
        with client_span(f"{method} {self.name}", self._attributes(method)) as span:
            attempt = Attempt(self.name, method)
            sent = self._options(options)
            inject(sent["headers"])
            try:
                with Guard(self.breaker) as guard:
                    async with self._http().stream(method, path, **sent) as response:
                        guard.saw(response)
                        yield response
                        attempt.answered(response)
                        note_response(span, response)
            except Exception as error:
                attempt.failed(error)
                raise

    async def aclose(self) -> None:
        """Close this loop's connections; the next call makes new ones."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> AsyncHttpClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _attempts(
        self, method: str, path: str, repeatable: bool, options: dict[str, Any]
    ) -> httpx.Response:
        ends = time.monotonic() + self.budget
        limit = 1 + (self.retries if repeatable else 0)
        number = iter(range(limit))
        retrying = AsyncRetrying(**policy(self.name, limit, ends, self._retry_budget))

        async def attempt() -> httpx.Response:
            return await self._attempt(method, path, next(number), ends, options)

        response: httpx.Response = await retrying(attempt)
        if repeatable and not is_retried(response):
            instruments.record_retry(self.name, "success")
        return response

    async def _attempt(
        self, method: str, path: str, number: int, ends: float, options: dict[str, Any]
    ) -> httpx.Response:
        sent = self._options(options)
        deadline = self._deadline(ends, sent.pop("timeout", None))
        http = self._http()
        attempt = Attempt(self.name, method)
        with client_span(method, self._attributes(method, resend=number)) as span:
            inject(sent["headers"])
            request = http.build_request(method, path, extensions={"timeout": deadline}, **sent)
            note_url(span, request.url)
            try:
                response = await http.send(request, stream=True)
                try:
                    deadline.bound(response)
                    await response.aread()
                finally:
                    await response.aclose()
            except httpx.TransportError as error:
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
                base_url=self.base_url, timeout=self.timeout, transport=self._transport
            )
        return client
