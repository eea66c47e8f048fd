"""Outgoing calls are bounded, retried with care, guarded, measured and traced."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

import stack
from stack.breaker import CircuitBreaker, CircuitState
from stack.errors import CallBudgetExceededError, CircuitBreakerOpenError, ConfigurationError

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.http._backoff", lambda _: 0.0)


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

    before = REGISTRY.get_sample_value("http_client_request_duration_seconds_count", _refused())
    with pytest.raises(httpx.ConnectError):
        client(refuse, retries=1).get("/")
    after = REGISTRY.get_sample_value("http_client_request_duration_seconds_count", _refused())
    assert len(attempts) == 2
    assert (after or 0) - (before or 0) == 2


def _refused() -> dict[str, str]:
    return {
        "peer_service": "peer",
        "http_request_method": "GET",
        "http_response_status_code": "",
        "error_type": "ConnectError",
    }


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
        client(slow)._attempt("GET", "/", 0, time.monotonic() - 1, {})


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


@pytest.mark.parametrize("url", ["", "peer", "ftp://peer", "http://"])
def test_bad_addresses_are_named(url: str) -> None:
    """The message says what is wrong with which argument."""
    with pytest.raises(ConfigurationError, match="base_url"):
        stack.HttpClient("peer", base_url=url)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9])
def test_bad_timeouts_are_named(seconds: float) -> None:
    """There is no call without a time limit."""
    with pytest.raises(ConfigurationError, match="timeout"):
        stack.HttpClient("peer", base_url="http://peer", timeout=seconds)
