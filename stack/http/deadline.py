"""One time limit for all that an attempt does: connecting, sending, waiting, reading."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import httpx


class Deadline(dict[str, float]):
    """What httpx asks for the timeout of each of its steps: the time that is left.

    Args:
        ends: monotonic seconds.
    """

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def __missing__(self, step: str) -> float:
        # A timeout of 0 would mean not to wait at all.
        return max(0.001, self._ends - time.monotonic())

    def get(self, step: str, default: object = None) -> float:
        """Return the seconds left for a step, such as `connect` or `read`."""
        return self[step]

    def bound(self, response: httpx.Response) -> None:
        """Let reading the response's body end with the deadline too."""
        stream = response.stream
        bounded = _SyncBody if isinstance(stream, httpx.SyncByteStream) else _AsyncBody
        response.stream = bounded(stream, self, response)  # type: ignore[arg-type]

    def check(self, response: httpx.Response) -> None:
        """Stop when time is up.

        Raises:
            httpx.ReadTimeout: it is.
        """
        if time.monotonic() >= self._ends:
            raise httpx.ReadTimeout("the answer took too long", request=response.request)


class _SyncBody(httpx.SyncByteStream):
    """A body that comes in small pieces for ever must not take for ever."""

    def __init__(
        self, stream: httpx.SyncByteStream, deadline: Deadline, response: httpx.Response
    ) -> None:
        self._stream = stream
        self._deadline = deadline
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._deadline.check(self._response)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx.AsyncByteStream):
    """The same for asyncio."""

    def __init__(
        self, stream: httpx.AsyncByteStream, deadline: Deadline, response: httpx.Response
    ) -> None:
        self._stream = stream
        self._deadline = deadline
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._deadline.check(self._response)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
