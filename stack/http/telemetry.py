"""What a call shows: its spans, its metric, and its result for the breaker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from stack.breaker import CircuitBreaker
from stack.metrics import instruments

_tracer = trace.get_tracer("stack.http")


@contextmanager
def client_span(name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
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


def note_url(span: Span, url: httpx.URL) -> None:
    """Note the address without its query and credentials, which may be secret."""
    span.set_attribute("url.full", str(url.copy_with(query=None, userinfo=b"")))


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
        """Record an answer whose last byte has come."""
        status = response.status_code
        self._record(status, str(status) if status >= 400 else "")

    def failed(self, error: BaseException) -> None:
        """Record that there was no answer, or none to its end."""
        self._record(None, type(error).__qualname__)

    def _record(self, status: int | None, error_type: str) -> None:
        seconds = time.perf_counter() - self._started
        instruments.record_client_request(self._peer, self._method, status, error_type, seconds)


class Guard:
    """A breaker around a call, where there is one, to which a 5xx is a failure."""

    def __init__(self, breaker: CircuitBreaker | None) -> None:
        self._breaker = breaker
        self._failed = False

    def __enter__(self) -> Guard:
        if self._breaker is not None:
            self._breaker.__enter__()
        return self

    def saw(self, response: httpx.Response) -> httpx.Response:
        """Take the answer that decides."""
        self._failed = response.status_code >= 500
        return response

    def __exit__(self, kind: object, error: BaseException | None, stack: object) -> None:
        if self._breaker is not None:
            if error is None and self._failed:
                error = ServerError()
            self._breaker.__exit__(type(error), error, stack)


class ServerError(Exception):
    """Tells the breaker of a 5xx; the caller gets the response instead."""
