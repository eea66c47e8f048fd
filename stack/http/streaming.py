"""One attempt whose body the caller reads piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from stack.breaker import CircuitBreaker
from stack.errors import CircuitBreakerOpenError
from stack.http.body import watch
from stack.http.telemetry import (
    Attempt,
    Guard,
    NothingKnown,
    is_peers,
    note_error,
    note_response,
    tracer,
)


class StreamedCall:
    """The call's span, metric and result for the breaker: settled once, by what the peer did.

    That is at the body's last byte; if it does not come, at the error instead, or where the block
    is left. What the caller does in the block, and how long, says nothing of the peer: the breaker
    times only the waiting for it. No part of it is current in the block, which may be left in
    another context or thread than entered, as when a generator that holds it is closed.

    Args:
        peer: the peer's name.
        method: the HTTP method.
        breaker: what guards the call, if anything.
        attributes: the span's.
    """

    def __init__(
        self,
        peer: str,
        method: str,
        breaker: CircuitBreaker | None,
        attributes: Mapping[str, str | int],
    ) -> None:
        self._peer = peer
        self._method = method
        self._guard = Guard(breaker)
        self._attributes = attributes
        self._response: httpx.Response | None = None
        self._settled = False

    def __enter__(self) -> StreamedCall:
        """Begin the call.

        Raises:
            CircuitBreakerOpenError: the breaker refused it.
        """
        self._span = tracer.start_span(
            f"{self._method} {self._peer}", kind=SpanKind.CLIENT, attributes=self._attributes
        )
        try:
            self._guard.__enter__()
        except CircuitBreakerOpenError as error:
            note_error(self._span, error)
            self._span.end()
            raise
        self._attempt = Attempt(self._peer, self._method)
        return self

    def sending(self) -> AbstractContextManager[Span]:
        """Make the span current while the request is sent."""
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def answered(self, response: httpx.Response) -> httpx.Response:
        """Take the response, whose body comes next."""
        self._response = self._guard.saw(response)
        note_response(self._span, response)
        if response.is_closed:
            self._settle(None)
        else:
            self._guard.pause()
            watch(
                response,
                asked=self._guard.resume,
                piece=self._guard.pause,
                ended=lambda: self._settle(None),
                broke=self._settle,
            )
        return response

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not self._is_peers(error):
            error = NothingKnown()
        self._settle(error)

    def _is_peers(self, error: Exception) -> bool:
        if self._response is None:
            return is_peers(error)
        # Errors of the transport have been seen before; here another call's may arrive as well.
        request = getattr(error, "_request", None)
        return isinstance(error, httpx.DecodingError) and request is self._response.request

    def _settle(self, error: BaseException | None) -> None:
        if self._settled:
            return
        self._settled = True
        if isinstance(error, Exception):
            self._attempt.failed(error)
            note_error(self._span, error)
        elif self._response is not None:
            self._attempt.answered(self._response)
        self._guard.__exit__(type(error), error, None)
        self._span.end()
