"""What a call shows: its spans, its metric, and its result for the breaker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from stack.breaker import CircuitBreaker
from stack.breaker.guard import Steps
from stack.errors import CallBudgetExceededError
from stack.metrics import instruments

tracer = trace.get_tracer("stack.http")


def is_peers(error: BaseException) -> bool:
    """Tell whether an exception says something of the peer or of the way to it.

    Others are the caller's own: a body that is no JSON, a header that HTTP does not allow.
    """
    return isinstance(error, (httpx.RequestError, CallBudgetExceededError)) and not isinstance(
        error, httpx.LocalProtocolError
    )


@contextmanager
def client_span(name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    """Make a client span current; an exception is noted by its type."""
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            note_error(span, error)
            raise


def note_error(span: Span, error: BaseException) -> None:
    """Note what went wrong by its type."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))


def note_response(span: Span, response: httpx.Response) -> None:
    """Note the answer; to a client a 4xx is an error too."""
    span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 400:
        span.set_attribute("error.type", str(response.status_code))
        span.set_status(Status(StatusCode.ERROR))


class Attempt:
    """The metric of one attempt, whose time begins now."""

    def __init__(self, peer: str, method: str) -> None:
        self._peer = peer
        self._method = method
        self._started = time.perf_counter()

    def answered(self, response: httpx.Response) -> None:
        """Record an answer, whose last byte has come or will not be read."""
        status = response.status_code
        self._record(status, str(status) if status >= 400 else "")

    def failed(self, error: BaseException) -> None:
        """Record that there was no answer, or none to its end, if that was not the caller's doing.

        Args:
            error: what was raised instead.
        """
        if is_peers(error):
            self._record(None, type(error).__qualname__)

    def _record(self, status: int | None, error_type: str) -> None:
        seconds = time.perf_counter() - self._started
        instruments.record_client_request(self._peer, self._method, status, error_type, seconds)


class Guard:
    """A breaker around a call, where there is one; only what the peer did decides.

    A 5xx is a failure, so is no answer. After an exception of the caller's own nothing is known:
    the call counts as neither. It may be left in another context or thread than entered.
    """

    def __init__(self, breaker: CircuitBreaker | None) -> None:
        self._guard = Steps(breaker) if breaker is not None else None
        self._is_paused = False
        self._failed = False

    def __enter__(self) -> Guard:
        if self._guard is not None:
            self._guard.__enter__()
        return self

    def saw(self, response: httpx.Response) -> httpx.Response:
        """Take the answer that decides."""
        self._failed = response.status_code >= 500
        return response

    def pause(self) -> None:
        """Stop the breaker's clock: the caller has what came, and the peer does not keep it."""
        if self._guard is not None and not self._is_paused:
            self._is_paused = True
            self._guard.pause()

    def resume(self) -> None:
        """Let it run again: the peer is waited for."""
        if self._guard is not None and self._is_paused:
            self._is_paused = False
            self._guard.resume()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._guard is None:
            return
        self.resume()
        if isinstance(error, Exception) and not is_peers(error):
            error = NothingKnown()
        if self._failed and not isinstance(error, Exception):
            error = ServerError()
        self._guard.__exit__(type(error), error, None)


class ServerError(Exception):
    """Tells the breaker of a 5xx; the caller gets the response instead."""


class NothingKnown(BaseException):
    """Tells the breaker that the call ended without a word about the peer."""
