"""A response's body that tells how it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx


def _ignore(*_: object) -> None:
    return


def watch(
    response: httpx.Response,
    *,
    asked: Callable[[], object] = _ignore,
    piece: Callable[[], object] = _ignore,
    ended: Callable[[], object] = _ignore,
    broke: Callable[[httpx.RequestError], object] = _ignore,
) -> None:
    """Have functions called while a body is read, by whoever reads it.

    Args:
        response: one whose body has not been read yet.
        asked: called when the reader begins to wait for a piece.
        piece: called for each piece that has come; what it raises ends the reading.
        ended: called after the last one.
        broke: called with the error when no more will come.
    """
    stream = response.stream
    body = _SyncBody if isinstance(stream, httpx.SyncByteStream) else _AsyncBody
    response.stream = body(stream, asked, piece, ended, broke)


class _Body:
    def __init__(
        self,
        stream: Any,
        asked: Callable[[], object],
        piece: Callable[[], object],
        ended: Callable[[], object],
        broke: Callable[[httpx.RequestError], object],
    ) -> None:
        self._stream = stream
        self._asked = asked
        self._piece = piece
        self._ended = ended
        self._broke = broke


class _SyncBody(_Body, httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        self._asked()
        try:
            for chunk in self._stream:
                self._piece()
                yield chunk
                self._asked()
        except httpx.RequestError as error:
            self._broke(error)
            raise
        self._ended()

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(_Body, httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._asked()
        try:
            async for chunk in self._stream:
                self._piece()
                yield chunk
                self._asked()
        except httpx.RequestError as error:
            self._broke(error)
            raise
        self._ended()

    async def aclose(self) -> None:
        await self._stream.aclose()
