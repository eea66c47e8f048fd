"""The stand-in model speaks the OpenAI wire form."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from services.llm.app import create_app, speed_from_env
from services.llm.wire import MODEL
from stack.errors import ConfigurationError

PASSAGE = '<passage title="Start">\nRun make up to start everything.\n</passage>'
MESSAGES = [
    {"role": "system", "content": PASSAGE},
    {"role": "user", "content": [{"type": "text", "text": "How do I start?"}]},
]
ANSWER = "Run make up to start everything."


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(spans: InMemorySpanExporter, slept: list[float]) -> FlaskClient:
    spans.clear()
    return create_app(tokens_per_second=100, sleep=slept.append).test_client()


def chat(client: FlaskClient, **options: Any) -> Any:
    body = {"model": MODEL, "messages": MESSAGES, **options}
    return client.post("/v1/chat/completions", json=body)


def test_an_answer_has_the_wire_form(client: FlaskClient) -> None:
    """Clients of the OpenAI API find every field where they expect it."""
    body = chat(client).get_json()
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": ANSWER, "refusal": None}
    assert choice["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_latency_is_proportional_to_tokens(client: FlaskClient, slept: list[float]) -> None:
    """At 100 tokens a second an answer takes a hundredth of a second for each token."""
    tokens = chat(client).get_json()["usage"]["completion_tokens"]
    assert slept == [pytest.approx(tokens / 100)]


def test_a_limit_cuts_the_answer(client: FlaskClient) -> None:
    """An answer cut at its limit says so in its finish reason."""
    body = chat(client, max_completion_tokens=2).get_json()
    assert body["usage"]["completion_tokens"] == 2
    assert body["choices"][0]["finish_reason"] == "length"


def test_a_stream_ends_in_usage_and_done(client: FlaskClient, slept: list[float]) -> None:
    """The chunks joined are the answer; the usage comes last when it is asked for."""
    response = chat(client, stream=True, stream_options={"include_usage": True})
    assert response.mimetype == "text/event-stream"
    *events, done = [e.removeprefix("data: ") for e in response.text.split("\n\n") if e]
    chunks = [json.loads(event) for event in events]
    assert done == "[DONE]"
    deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
    assert deltas[0]["role"] == "assistant"
    assert "".join(d.get("content", "") for d in deltas) == ANSWER
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == len(slept)
    assert chunks[-1]["choices"] == []


def test_a_stream_without_options_has_no_usage(client: FlaskClient) -> None:
    """Usage is sent only to who asked for it."""
    assert '"usage"' not in chat(client, stream=True).text


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b'{"model": "cut', 400, None),
        (b"[" * 100_000, 400, None),
        (b"[]", 400, None),
        (b'{"messages": []}', 400, "model"),
        (json.dumps({"model": MODEL, "messages": []}).encode(), 400, "messages"),
        (
            json.dumps({"model": MODEL, "messages": [{"role": "robot"}]}).encode(),
            400,
            "messages.0.role",
        ),
        (json.dumps({"model": MODEL, "messages": MESSAGES, "n": 2}).encode(), 400, "n"),
        (json.dumps({"model": "other", "messages": MESSAGES}).encode(), 404, "model"),
        (b" " * 1_000_001, 413, None),
    ],
    ids=["cut", "deep", "list", "no-model", "no-messages", "role", "two", "unknown", "large"],
)
def test_a_bad_request_has_the_error_form(
    client: FlaskClient, body: bytes, status: int, param: str | None
) -> None:
    """Errors have the four fields of the OpenAI API and name the parameter."""
    response = client.post(
        "/v1/chat/completions", data=body, headers={"Content-Type": "application/json"}
    )
    error = response.get_json()["error"]
    assert response.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


def test_the_model_is_listed(client: FlaskClient) -> None:
    """What `/v1/models` lists is what a chat accepts."""
    assert [m["id"] for m in client.get("/v1/models").get_json()["data"]] == [MODEL]


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_is_a_span_and_a_metric(
    client: FlaskClient, spans: InMemorySpanExporter, stream: bool
) -> None:
    """Both follow the GenAI conventions, and nothing of the conversation is in the span."""
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "extractive",
        "gen_ai_request_model": MODEL,
    }
    name = "gen_ai_server_request_duration_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0
    assert chat(client, stream=stream).text
    span, server = spans.get_finished_spans()
    assert span.name == f"chat {MODEL}"
    assert span.parent is not None
    assert server.context is not None
    assert span.parent.span_id == server.context.span_id
    attributes = dict(span.attributes or {})
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.usage.output_tokens"] == 8
    assert "make" not in str(attributes)
    assert REGISTRY.get_sample_value(name, labels) == before + 1


def test_an_abandoned_stream_ends_its_span(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """A client that goes away in the middle leaves a finished span behind."""
    response = client.post(
        "/v1/chat/completions",
        json={"model": MODEL, "messages": MESSAGES, "stream": True},
        buffered=False,
    )
    next(iter(response.response))
    response.close()
    assert f"chat {MODEL}" in {span.name for span in spans.get_finished_spans()}


@pytest.mark.parametrize("raw", ["0", "-1", "fast", "nan", "inf"])
def test_a_bad_speed_stops_the_start(raw: str) -> None:
    """The error names the variable, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=rf"LLM_TOKENS_PER_SECOND='{raw}'.*a number from"):
        speed_from_env({"LLM_TOKENS_PER_SECOND": raw})
    assert speed_from_env({}) == 400
