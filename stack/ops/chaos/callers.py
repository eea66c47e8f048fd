"""Those who call while something fails: a service that was written with the library."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from stack import CircuitBreaker, CircuitBreakerOpenError, HttpClient
from stack.ops.drill.background import in_background

# Longer than any answer may take: who gives up learns nothing of how late it comes.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call.

    Args:
        began: when it was made, in Unix seconds.
        seconds: until the answer was there, or was given up.
        status: of HTTP; 0 when there was no answer.
        degraded: it says that it is not all it should be.
    """

    began: float
    seconds: float
    status: int
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent.

    Args:
        method: of HTTP.
        path: of the called service.
        body: sent as JSON; None sends none.
    """

    method: str
    path: str
    body: Mapping[str, str] | None = None


# A question that is answered at once, so that what is waited for is the fault.
ASK = Call("POST", "/ask", {"question": "What is a span?"})
MODELS = Call("GET", "/v1/models")


@dataclass(slots=True)
class Callers:
    """Threads that make one call again and again, through one breaker of their own. Thread-safe.

    Args:
        peer: the called service's name.
        url: its address.
        call: what is sent; never repeated, for each answer counts.
    """

    peer: str
    url: str
    call: Call
    answers: list[Answer] = field(default_factory=list)
    breaker: CircuitBreaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(self.peer)

    @contextmanager
    def steadily(self, threads: int, rate: float) -> Iterator[None]:
        """Make `rate` calls per second together; fewer where all wait for their answers."""
        interval = threads / rate

        def on(over: threading.Event, client: HttpClient) -> None:
            while not over.is_set():
                due = time.monotonic() + interval
                self._make(client)
                over.wait(max(0.0, due - time.monotonic()))

        with self._together(threads, on):
            yield

    @contextmanager
    def burst(self, threads: int, each: int) -> Iterator[Callable[[], bool]]:
        """Make `each` calls on each thread at once; gives what tells whether all are made."""
        made = threading.Semaphore(0)

        def on(over: threading.Event, client: HttpClient) -> None:
            for _ in range(each):
                if over.is_set():
                    return
                self._make(client)
            made.release()

        left = threads

        def done() -> bool:
            nonlocal left
            while left and made.acquire(blocking=False):
                left -= 1
            return left == 0

        with self._together(threads, on):
            yield done

    @contextmanager
    def _together(
        self, count: int, on: Callable[[threading.Event, HttpClient], None]
    ) -> Iterator[None]:
        def call_on(over: threading.Event) -> None:
            # A connection of its own, which is never idle so long that the server closes it.
            with HttpClient(
                self.peer, base_url=self.url, timeout=_PATIENCE, retries=0, breaker=self.breaker
            ) as client:
                on(over, client)

        with in_background(call_on, count):
            yield

    def _make(self, client: HttpClient) -> None:
        began, started = time.time(), time.perf_counter()
        status, degraded = 0, False
        try:
            answer = client.request(self.call.method, self.call.path, json=self.call.body)
            status, degraded = answer.status_code, b'"degraded":true' in answer.content
        except (httpx.HTTPError, CircuitBreakerOpenError):
            # No answer, which is what status 0 says.
            pass
        self.answers.append(Answer(began, time.perf_counter() - started, status, degraded))
