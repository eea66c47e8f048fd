"""Outgoing calls are bounded, retried with care, guarded, measured and traced."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

import stack
from stack.breaker import CircuitBreaker, CircuitState
from stack.errors import CallBudgetExceededError, CircuitBreakerOpenError

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.http.retrying._backoff", lambda _: 0.0)


def client(
    handler: Handler, *, breaker: CircuitBreaker | None = None, **options: Any
) -> stack.HttpClient:
    return stack.HttpClient(
        "peer",
        base_url="http://peer.test",
        breaker=breaker,
        transport=httpx.MockTransport(handler),
        **options,
    )


def answers(*statuses: int, headers: dict[str, str] | None = None) -> tuple[Handler, list[str]]:
    """Answer with one status after the other, again from the first."""
    seen: list[str] = []
    following: Iterator[int] = cycle(statuses)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("traceparent", ""))
        return httpx.Response(next(following), headers=headers)

    return handler, seen


def test_an_idempotent_call_is_repeated_until_it_succeeds() -> None:
    """Each attempt has a span of its own, so each carries another traceparent."""
    handler, seen = answers(503, 500, 200)
    assert client(handler).get("/").status_code == 200
    assert len(seen) == 3


def test_the_last_answer_is_returned_when_attempts_are_used_up() -> None:
    """The caller sees the peer's own status."""
    handler, seen = answers(503)
    assert client(handler, retries=2).get("/").status_code == 503
    assert len(seen) == 3


@pytest.mark.parametrize("status", [200, 301, 400, 404, 409])
def test_final_answers_are_not_repeated(status: int) -> None:
    """What would be the same the next time is not asked again."""
    handler, seen = answers(status)
    assert client(handler).get("/").status_code == status
    assert len(seen) == 1


def test_a_post_is_repeated_only_when_marked() -> None:
    """Sending it twice could do its work twice."""
    handler, seen = answers(503)
    client(handler).post("/")
    assert len(seen) == 1
    client(handler).post("/", idempotent=True)
    assert len(seen) == 4


def test_a_connection_error_is_raised_after_the_last_attempt() -> None:
    """It counts as a failure without a status."""
    attempts: list[int] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        attempts.append(1)
        raise httpx.ConnectError("refused", request=request)

    before = _client_count("", "ConnectError")
    with pytest.raises(httpx.ConnectError):
        client(refuse, retries=1).get("/")
    assert len(attempts) == 2
    assert _client_count("", "ConnectError") - before == 2


def test_retry_after_is_honoured_within_the_budget() -> None:
    """A peer that asks for more time than there is gets no further attempt."""
    handler, seen = answers(429, headers={"Retry-After": "60"})
    began = time.monotonic()
    assert client(handler, budget=1.0).get("/").status_code == 429
    assert len(seen) == 1
    assert time.monotonic() - began < 1.0


def test_the_budget_bounds_all_attempts_together() -> None:
    """An attempt has no more time than what is left of it."""
    timeouts: list[float] = []

    def slow(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        return httpx.Response(503)

    client(slow, timeout=2.0, budget=3.0).get("/")
    assert all(timeout <= 2.0 for timeout in timeouts)
    client(slow, timeout=2.0, budget=0.5, retries=0).get("/")
    assert timeouts[-1] <= 0.5
    with pytest.raises(CallBudgetExceededError, match="peer"):
        late(client(slow))


def late(peer: Any) -> Any:
    """Begin an attempt when the budget is used up."""
    return peer._attempt(peer._outgoing("GET", "/", {}), 0, time.monotonic() - 1)


def test_a_server_error_counts_against_the_breaker() -> None:
    """The whole logical call is one call to the breaker; 4xx is the caller's own fault."""
    breaker = CircuitBreaker("guarded", failure_threshold=2)
    handler, seen = answers(404)
    for _ in range(3):
        client(handler, breaker=breaker).get("/")
    assert breaker.state == CircuitState.CLOSED.value
    handler, seen = answers(503)
    for _ in range(2):
        client(handler, breaker=breaker, retries=1).get("/")
    assert breaker.state == CircuitState.OPEN.value
    with pytest.raises(CircuitBreakerOpenError):
        client(handler, breaker=breaker).get("/")
    assert len(seen) == 4


def test_a_stream_is_guarded_too() -> None:
    """A 5xx without its body read is a failure."""
    breaker = CircuitBreaker("streamed", failure_threshold=1)
    handler, _ = answers(503)
    with client(handler, breaker=breaker).stream("GET", "/") as response:
        assert response.status_code == 503
    assert breaker.state == CircuitState.OPEN.value


def test_a_body_that_cannot_be_decoded_is_a_failure_of_the_peer() -> None:
    """It shows in the metric and counts for the breaker, and is not asked for again."""
    breaker = CircuitBreaker("undecodable", failure_threshold=1)
    before = _client_count("", "DecodingError")

    def garble(request: httpx.Request) -> httpx.Response:
        body = httpx.ByteStream(b"no gzip")
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=body)

    with pytest.raises(httpx.DecodingError):
        client(garble, breaker=breaker).get("/")
    assert _client_count("", "DecodingError") - before == 1
    assert breaker.state is CircuitState.OPEN


@pytest.mark.parametrize("options", [{"json": {1, 2}}, {"headers": {"X-Name": "two\nlines"}}])
def test_the_callers_own_mistakes_say_nothing_of_the_peer(options: dict[str, Any]) -> None:
    """What could not be sent is neither repeated, nor counted by breaker and metric."""
    breaker = CircuitBreaker("blameless", failure_threshold=1)
    before = _client_count("", "LocalProtocolError")
    with Server(greet) as server:
        peer = stack.HttpClient("peer", base_url=server.url, breaker=breaker)
        with peer, pytest.raises((TypeError, httpx.LocalProtocolError)):
            peer.request("GET", "/", **options)
    assert breaker.stats().calls == 0
    assert _client_count("", "LocalProtocolError") == before


def test_a_body_that_can_be_read_only_once_is_sent_only_once() -> None:
    """A second attempt would send an empty one."""
    handler, seen = answers(503)
    assert client(handler).request("PUT", "/", content=iter([b"a"])).status_code == 503
    assert len(seen) == 1


def test_a_forked_child_has_connections_of_its_own() -> None:
    """Sharing a socket would mix up answers."""
    handler, _ = answers(200)
    shared = client(handler)
    shared.get("/")
    connections = shared._http()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if shared._http() is not connections else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    shared.close()


def test_retries_cannot_multiply_an_outage() -> None:
    """In the long run a fifth of the calls is repeated, however many fail."""
    handler, seen = answers(503)
    peer = client(handler, retries=3)
    for _ in range(200):
        peer.get("/")
    assert 200 * 1.2 <= len(seen) <= 200 * 1.2 + 10
    none, seen = answers(503)
    peer = client(none, retries=3, retry_ratio=0.0)
    for _ in range(50):
        peer.get("/")
    assert len(seen) == 60


class Server:
    """A real server that answers each path as a test wants it."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.connections: set[Any] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.connections.add(self.client_address)
                with suppress(OSError):
                    answer(self)

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self) -> "Server":
        Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answer at once, and never finish."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b".")
        time.sleep(0.02)


def greet(handler: BaseHTTPRequestHandler) -> None:
    body = handler.headers.get("baggage", "").encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_an_answer_that_never_ends_does_not_outlive_the_budget() -> None:
    """A limit for each read alone would let it drip for ever."""
    with (
        Server(drip) as server,
        stack.HttpClient(
            "dripping", base_url=server.url, timeout=0.3, budget=0.7, breaker=None
        ) as peer,
    ):
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            peer.get("/")
        assert time.monotonic() - began < 5


def test_connections_are_used_again_and_baggage_is_sent() -> None:
    """What the caller's caller said about the request goes on with it."""
    with (
        Server(greet) as server,
        stack.HttpClient("greeting", base_url=server.url, breaker=None) as peer,
    ):
        token = otel_context.attach(baggage.set_baggage("tenant", "blue"))
        try:
            assert {peer.get("/").text for _ in range(5)} == {"tenant=blue"}
        finally:
            otel_context.detach(token)
        assert len(server.connections) == 1


def test_a_stream_is_measured_to_its_last_byte(spans: InMemorySpanExporter) -> None:
    """The time until the headers says little about an answer that is being made up."""
    before = _client_seconds("streamed answer")

    def slowly() -> Iterator[bytes]:
        for _ in range(3):
            time.sleep(0.05)
            yield b"token "

    peer = stack.HttpClient(
        "streamed answer",
        base_url="http://peer.test",
        breaker=None,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=slowly())),
    )
    with peer.stream("GET", "/") as response:
        assert b"".join(response.iter_bytes()) == b"token token token "
    assert _client_seconds("streamed answer") - before >= 0.15
    (span,) = spans.get_finished_spans()
    assert span.name == "GET streamed answer"
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time >= 0.15e9


def _client_count(status: str, error_type: str) -> float:
    labels = {
        "peer_service": "peer",
        "http_request_method": "GET",
        "http_response_status_code": status,
        "error_type": error_type,
    }
    return REGISTRY.get_sample_value("http_client_request_duration_seconds_count", labels) or 0.0


def _client_seconds(peer: str) -> float:
    labels = {
        "peer_service": peer,
        "http_request_method": "GET",
        "http_response_status_code": "200",
        "error_type": "",
    }
    name = "http_client_request_duration_seconds_sum"
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_call_and_each_attempt_are_spans(spans: InMemorySpanExporter) -> None:
    """The attempts are the call's children, and say the how-manieth they are."""
    handler, _ = answers(503, 200)
    client(handler).get("/secret?token=abc")
    *attempts, call = spans.get_finished_spans()
    assert call.name == "GET peer"
    assert call.context is not None
    for number, attempt in enumerate(attempts):
        assert attempt.parent is not None
        assert attempt.parent.span_id == call.context.span_id
        attributes = attempt.attributes or {}
        assert attributes.get("http.request.resend_count", 0) == number
        assert attributes["url.full"] == "http://peer.test/secret"
    assert [(a.attributes or {})["http.response.status_code"] for a in attempts] == [503, 200]


def test_the_async_client_does_the_same() -> None:
    """Retries, breaker, budget and streams, awaited."""
    handler, seen = answers(503, 200)
    breaker = CircuitBreaker("awaited", failure_threshold=1)

    def made(handler: Handler, **options: Any) -> stack.AsyncHttpClient:
        return stack.AsyncHttpClient(
            "awaited",
            base_url="http://peer.test",
            transport=httpx.MockTransport(handler),
            breaker=breaker,
            **options,
        )

    async def calls() -> None:
        async with made(handler) as peer:
            assert (await peer.get("/")).status_code == 200
            assert len(seen) == 2
            async with peer.stream("GET", "/") as response:
                assert await response.aread() == b""
                assert response.status_code == 503
        assert breaker.state is CircuitState.OPEN
        async with made(handler) as peer:
            with pytest.raises(CircuitBreakerOpenError):
                await peer.post("/")
        breaker.reset()
        with pytest.raises(CallBudgetExceededError):
            await late(made(handler))

    asyncio.run(calls())
    assert len(seen) == 3


def test_the_async_clients_answers_end_with_the_budget_too() -> None:
    """An answer that drips is cut off."""

    async def call(url: str) -> None:
        async with stack.AsyncHttpClient(
            "async dripping", base_url=url, timeout=0.3, budget=0.7, breaker=None
        ) as peer:
            with pytest.raises(httpx.ReadTimeout):
                await peer.get("/")

    with Server(drip) as server:
        began = time.monotonic()
        asyncio.run(call(server.url))
        assert time.monotonic() - began < 5
