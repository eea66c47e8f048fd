"""One served request: its span, its metrics and its log line, from first byte to last."""

from __future__ import annotations

import contextvars
import random
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode

from stack.logs import get_logger, set_context
from stack.metrics import instruments
from stack.tracing.attributes import exception_attributes
from stack.tracing.propagation import extract

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"}
)
UNMATCHED = "unmatched"

_tracer = trace.get_tracer("stack.web")
_log = get_logger("stack.web")


class Exchange:
    """A request on its way through the application; used by one thread at a time.

    It lives in a context of its own, so that nothing a request sets is seen by the next one on
    the same thread, and its span stays current while the body streams.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        method = environ.get("REQUEST_METHOD", "")
        self.method = method if method in METHODS else "_OTHER"
        self.route = UNMATCHED
        self.status = 500
        self.error: BaseException | None = None
        self.request_id = _request_id(environ)
        self.context = contextvars.copy_context()
        self._started = time.perf_counter()
        self._done = False
        self.context.run(self._begin, environ)

    def run(self, app: WSGIApplication, environ: WSGIEnvironment, start: StartResponse) -> Body:
        """Call the application in this request's context.

        Args:
            app: the application.
            environ: the request, as WSGI gives it.
            start: the server's `start_response`.

        Returns:
            The response's body, which ends the request when it is read or closed.
        """

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            self.status = int(status[:3])
            self.note_route(environ)
            return start(status, [*headers, ("X-Request-ID", self.request_id)], exc_info)

        try:
            return Body(self, self.context.run(app, environ, start_response))
        except BaseException as error:
            self.failed(error)
            self.finish()
            raise

    def note_route(self, environ: WSGIEnvironment) -> None:
        """Take the route from the request that Flask keeps in the environment while it works."""
        rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
        if rule is not None:
            self.route = rule.rule

    def failed(self, error: BaseException) -> None:
        """Note the exception that the application did not handle."""
        self.error = error
        self.status = 500

    def finish(self) -> None:
        """Record the request; the second time does nothing."""
        if not self._done:
            self._done = True
            self.context.run(self._record, time.perf_counter() - self._started)

    def _begin(self, environ: WSGIEnvironment) -> None:
        parent = extract(environ, getter=_GETTER)
        self._span = _tracer.start_span(
            self.method, parent, SpanKind.SERVER, _request_attributes(self.method, environ)
        )
        otel_context.attach(trace.set_span_in_context(self._span, parent))
        set_context(request_id=self.request_id)
        instruments.server_request_began(self.method)

    def _record(self, seconds: float) -> None:
        instruments.server_request_ended(self.method)
        instruments.record_server_request(self.method, self.route, self.status, seconds)
        _log.log(
            "error" if self.status >= 500 else "info",
            f"{self.method} {self.route} {self.status}",
            event_type="http_request",
            duration_ms=round(seconds * 1000, 3),
            http_request_method=self.method,
            http_route=self.route,
            http_response_status_code=self.status,
        )
        self._end_span()

    def _end_span(self) -> None:
        span = self._span
        if span.is_recording():
            # One by one: the SDK takes longer to check a mapping of two.
            span.set_attribute("http.response.status_code", self.status)
            if self.route != UNMATCHED:
                span.update_name(f"{self.method} {self.route}")
                span.set_attribute("http.route", self.route)
            if self.error is not None:
                span.add_event("exception", exception_attributes(self.error))
                span.set_attribute("error.type", type(self.error).__qualname__)
            if self.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        span.end()


class Body(Iterable[bytes]):
    """The response's body; the request ends with its last chunk or when it is closed."""

    def __init__(self, exchange: Exchange, chunks: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._run = exchange.context.run
        self._chunks = chunks
        self._iterator = iter(chunks)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        try:
            return self._run(next, self._iterator)
        except StopIteration:
            self._exchange.finish()
            raise
        except BaseException as error:
            self._exchange.failed(error)
            self._exchange.finish()
            raise

    def close(self) -> None:
        """Close the application's body, then record the request."""
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                # A stream that is cut short ends in here, with the spans and fields it began with.
                self._run(close)
        except BaseException as error:
            self._exchange.failed(error)
            raise
        finally:
            self._exchange.finish()


class _EnvironGetter(Getter[Mapping[str, Any]]):
    """Reads HTTP headers from a WSGI environment."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(_environ_key(key))
        return None if value is None else [value]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [k[5:].replace("_", "-").lower() for k in carrier if k.startswith("HTTP_")]


_GETTER = _EnvironGetter()


@lru_cache(maxsize=32)
def _environ_key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


def _request_attributes(method: str, environ: WSGIEnvironment) -> dict[str, str | int]:
    """Describe the request without its query or its sender, which may be personal."""
    return {
        "http.request.method": method,
        "url.path": environ.get("PATH_INFO", "")[:512],
        "url.scheme": environ.get("wsgi.url_scheme", "http"),
        "server.address": environ.get("SERVER_NAME", ""),
        "server.port": int(environ.get("SERVER_PORT") or 0),
    }


def _request_id(environ: WSGIEnvironment) -> str:
    """Keep the caller's id when it is harmless, else make one."""
    given = str(environ.get("HTTP_X_REQUEST_ID", ""))
    if 0 < len(given) <= 128 and given.isascii() and given.replace("-", "").isalnum():
        return given
    # As the SDK makes its ids: unlikely to meet again, quick, and no secret.
    return random.getrandbits(128).to_bytes(16).hex()
