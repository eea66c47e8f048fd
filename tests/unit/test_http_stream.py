"""A streamed call is judged and measured by what the peer does, not by what the caller does."""

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

import stack
from stack.breaker import CircuitBreaker, CircuitState
from stack.errors import CircuitBreakerOpenError

Series = dict[tuple[str, str], float]


class Peer:
    """A peer of its own name, for whose answers a body can be made up."""

    def __init__(self, name: str, body: Callable[[], Iterator[bytes]], **answer: Any) -> None:
        self.name = name
        self.breaker = CircuitBreaker(name, failure_threshold=1)
        answer = {"status_code": 200, **answer}
        transport = httpx.MockTransport(lambda _: httpx.Response(content=body(), **answer))
        self.http = stack.HttpClient(
            name, base_url="http://me:word@peer.test", breaker=self.breaker, transport=transport
        )

    def series(self, suffix: str = "count") -> Series:
        """Return this peer's numbers by status and error."""
        name = f"http_client_request_duration_seconds_{suffix}"
        return {
            (s.labels["http_response_status_code"], s.labels["error_type"]): s.value
            for family in REGISTRY.collect()
            for s in family.samples
            if s.name == name and s.labels["peer_service"] == self.name
        }

    def outcomes(self) -> tuple[int, int]:
        stats = self.breaker.stats()
        return stats.successes, stats.failures


def pieces() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


def broken() -> Iterator[bytes]:
    yield b"one "
    raise httpx.ReadError("reset by peer")


def test_the_callers_own_exceptions_do_not_count() -> None:
    """A bug in the block is no word about the peer, whose status is what is shown."""
    peer = Peer("own bugs", pieces)
    for _ in range(5):
        with pytest.raises(ValueError, match="mine"), peer.http.stream("GET", "/"):
            raise ValueError("mine")
    assert peer.outcomes() == (0, 0)
    assert peer.series() == {("200", ""): 5}


def test_another_peers_failure_in_the_block_does_not_count() -> None:
    """It is an error of httpx too, but of another request."""
    peer, other = Peer("innocent", pieces), Peer("guilty", broken)
    with pytest.raises(httpx.ReadError), peer.http.stream("GET", "/"):
        other.http.get("/", timeout=1)
    assert peer.outcomes() == (0, 0)
    assert other.breaker.state is CircuitState.OPEN


def test_a_body_that_breaks_is_a_failure() -> None:
    """It shows as the error, for there was no whole answer."""
    peer = Peer("breaking", broken)
    with pytest.raises(httpx.ReadError), peer.http.stream("GET", "/") as response:
        response.read()
    assert peer.breaker.state is CircuitState.OPEN
    assert peer.series() == {("", "ReadError"): 1}


def test_a_body_that_breaks_is_a_failure_though_the_caller_makes_do() -> None:
    """The block may end well with what has come."""
    peer = Peer("breaking quietly", broken)
    with peer.http.stream("GET", "/") as response, suppress(httpx.ReadError):
        response.read()
    assert peer.breaker.state is CircuitState.OPEN
    assert peer.series() == {("", "ReadError"): 1}


def test_a_body_that_cannot_be_decoded_is_a_failure() -> None:
    """The peer did not send what its headers say."""
    peer = Peer("garbling", pieces, headers={"Content-Encoding": "gzip"})
    with pytest.raises(httpx.DecodingError), peer.http.stream("GET", "/") as response:
        response.read()
    assert peer.breaker.state is CircuitState.OPEN
    assert peer.series() == {("", "DecodingError"): 1}


def test_a_server_error_is_a_failure_whatever_the_caller_makes_of_it() -> None:
    """The status has been seen."""
    peer = Peer("failing", pieces, status_code=503)
    with pytest.raises(httpx.HTTPStatusError), peer.http.stream("GET", "/") as response:
        response.raise_for_status()
    assert peer.breaker.state is CircuitState.OPEN
    assert peer.series() == {("503", "503"): 1}


def test_a_refused_call_is_no_attempt() -> None:
    """Nothing was sent, so there is nothing to time; the breaker counts it."""
    peer = Peer("refusing", pieces)
    peer.breaker.force_open()
    with pytest.raises(CircuitBreakerOpenError), peer.http.stream("GET", "/"):
        pass
    assert peer.series() == {}
    assert peer.breaker.stats().rejected == 1


def test_the_time_ends_with_the_last_byte(spans: InMemorySpanExporter) -> None:
    """What the caller does with it afterwards is its own time."""
    peer = Peer("quick", pieces)
    with peer.http.stream("GET", "/") as response:
        response.read()
        time.sleep(0.2)
    assert peer.series("sum")["200", ""] < 0.1
    (span,) = spans.get_finished_spans()
    assert seconds(span) < 0.1


def seconds(span: ReadableSpan) -> float:
    assert span.end_time is not None
    assert span.start_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_slow_reader_does_not_make_a_slow_peer() -> None:
    """For the breaker a call takes the time that its peer is waited for."""
    options: dict[str, Any] = {"slow_call_seconds": 0.1, "slow_call_ratio": 0.5, "minimum_calls": 1}
    quick, slow = (CircuitBreaker(name, **options) for name in ("quick", "slow"))

    def slowly() -> Iterator[bytes]:
        time.sleep(0.2)
        yield b"one"

    for breaker, body, pause in ((quick, pieces, 0.15), (slow, slowly, 0.0)):
        transport = httpx.MockTransport(lambda _, body=body: httpx.Response(200, content=body()))
        peer = stack.HttpClient(
            "read", base_url="http://peer.test", breaker=breaker, transport=transport
        )
        with peer.stream("GET", "/") as response:
            time.sleep(pause)
            for _ in response.iter_raw():
                time.sleep(pause)
    assert (quick.state, slow.state) == (CircuitState.CLOSED, CircuitState.OPEN)


def test_a_body_that_is_not_read_to_its_end_is_counted() -> None:
    """With the status it began with, and as a success of the peer if the block ends well."""
    peer = Peer("left", pieces)
    with peer.http.stream("GET", "/") as response:
        next(response.iter_raw())
    assert peer.outcomes() == (1, 0)
    assert peer.series() == {("200", ""): 1}


def streamed(peer: Peer) -> Generator[bytes]:
    with peer.http.stream("GET", "/") as response:
        yield from response.iter_raw()


def test_a_stream_may_be_closed_in_another_context(caplog: pytest.LogCaptureFixture) -> None:
    """As a server does with a streamed response whose client has gone."""
    peer = Peer("elsewhere", pieces)
    held = streamed(peer)
    assert contextvars.Context().run(next, held) == b"one "
    held.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert peer.outcomes() == (0, 0)
    assert peer.series() == {("200", ""): 1}


def test_a_stream_that_is_held_changes_nobodys_context(spans: InMemorySpanExporter) -> None:
    """Its span is current only while the request is sent."""
    sent: list[str] = []
    peer = Peer("held", pieces)
    transport = peer.http._transport
    assert isinstance(transport, httpx.MockTransport)
    answer = transport.handler

    def note(request: httpx.Request) -> Any:
        sent.append(request.headers["traceparent"])
        return answer(request)

    transport.handler = note
    before = trace.get_current_span()
    held = streamed(peer)
    next(held)
    assert trace.get_current_span() is before
    held.close()
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in sent[0]


def test_the_span_shows_the_address_without_secrets(spans: InMemorySpanExporter) -> None:
    """Neither credentials nor what a query holds."""
    peer = Peer("addressed", pieces)
    with peer.http.stream("GET", "/path?token=abc") as response:
        response.read()
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["url.full"] == "http://peer.test/path"


def test_the_async_stream_does_the_same() -> None:
    """Judged by the peer, timed to the last byte, and closed wherever its generator is."""
    breaker = CircuitBreaker("async", failure_threshold=1)

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body()))
    peer = stack.AsyncHttpClient(
        "async", base_url="http://peer.test", breaker=breaker, transport=transport
    )

    async def held() -> AsyncIterator[bytes]:
        async with peer.stream("GET", "/") as response:
            async for piece in response.aiter_raw():
                yield piece

    async def calls() -> None:
        with pytest.raises(ValueError, match="mine"):
            async with peer.stream("GET", "/"):
                raise ValueError("mine")
        generator: Any = held()
        assert await asyncio.create_task(anext(generator)) == b"one "
        await asyncio.create_task(generator.aclose())
        assert breaker.stats().calls == 0
        assert [piece async for piece in held()] == [b"one ", b"two"]
        await peer.aclose()

    asyncio.run(calls())
    assert (breaker.stats().successes, breaker.stats().failures) == (1, 0)
