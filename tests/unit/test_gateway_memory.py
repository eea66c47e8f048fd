"""A gateway that has answered thousands of questions holds no more than one that is warm."""

from __future__ import annotations

import gc
import random

import httpx
from flask.testing import FlaskClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import stack
from services.gateway.app import create_app
from services.gateway.settings import Settings
from tests.unit.test_gateway_ask import COMPLETION, PASSAGE

WARM, MORE = 600, 1200
# What a log record, a span and an exemplar that wait to be replaced may differ by.
SPARE = 100


def test_objects_do_not_grow_with_the_questions(spans: InMemorySpanExporter) -> None:
    """Neither when all is well nor while the model fails and its breaker opens and closes."""
    rng = random.Random(1)
    failing = False

    def client(name: str, body: object) -> stack.HttpClient:
        def handle(_: httpx.Request) -> httpx.Response:
            return httpx.Response(500 if failing and rng.random() < 0.7 else 200, json=body)

        return stack.HttpClient(
            name,
            base_url=f"http://{name}",
            retries=0,
            transport=httpx.MockTransport(handle),
            breaker=stack.CircuitBreaker(f"memory-{name}", timeout_seconds=0.05),
        )

    neighbours = {"passages": [PASSAGE]}
    app = create_app(
        Settings(), retrieval=client("retrieval", neighbours), llm=client("llm", COMPLETION)
    )
    asked = app.test_client()

    def ask(count: int) -> int:
        nonlocal failing
        for number in range(count):
            failing = number % 300 >= 200
            _ask(asked, rng)
        failing = False
        # The tests' own exporter keeps all of them.
        spans.clear()
        gc.collect()
        return len(gc.get_objects())

    before = ask(WARM)
    assert ask(MORE) - before < SPARE


def _ask(client: FlaskClient, rng: random.Random) -> None:
    question = f"What do I do when alert {rng.randrange(10**6)} fires?"
    assert client.post("/ask", json={"question": question}).status_code in {200, 503}
