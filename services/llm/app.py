"""`POST /v1/chat/completions` answers from the passages in the conversation, whole or streamed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

import stack
from services.llm.composer import compose
from services.llm.operation import chat_operation, note_completion
from services.llm.tokens import tokenize
from services.llm.wire import DONE, MODEL, ChatRequest, Completion, WireError
from stack.environment import number, read

MAX_BODY_BYTES = 1_000_000

Sleep = Callable[[float], None]


def create_app(tokens_per_second: float | None = None, sleep: Sleep = time.sleep) -> Flask:
    """Make the application.

    Args:
        tokens_per_second: how quickly it writes; from `LLM_TOKENS_PER_SECOND` when not given.
        sleep: waits that many seconds; for tests.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    pause = 1 / (tokens_per_second or speed_from_env(os.environ))
    stack.instrument(app, service="llm")

    @app.post("/v1/chat/completions")
    def chat() -> Response:
        asked = ChatRequest.parse(request.get_data())
        if asked.stream:
            return Response(_streamed(asked, pause, sleep), mimetype="text/event-stream")
        with chat_operation() as span:
            completion = complete(asked)
            note_completion(span, completion)
            sleep(pause * len(completion.tokens))
        return jsonify(completion.as_json())

    @app.get("/v1/models")
    def models() -> Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "stack"}
        return jsonify(object="list", data=[model])

    @app.errorhandler(WireError)
    def refused(error: WireError) -> tuple[Response, int]:
        return jsonify(error.as_json()), error.status

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        return refused(WireError(error.code or 500, error.description or error.name))

    return app


def complete(asked: ChatRequest) -> Completion:
    """Compose the answer to a conversation, cut to the tokens that it may have."""
    answer = tokenize(compose((message.role, message.text) for message in asked.messages))
    given = sum(len(tokenize(message.text)) for message in asked.messages)
    kept = answer[: asked.limit]
    return Completion(kept, given, truncated=len(kept) < len(answer))


def _streamed(asked: ChatRequest, pause: float, sleep: Sleep) -> Iterator[bytes]:
    """Yield the answer token by token, at the pace of the model."""
    with chat_operation() as span:
        completion = complete(asked)
        note_completion(span, completion)
        yield completion.chunk({"role": "assistant", "content": ""})
        for token in completion.tokens:
            sleep(pause)
            yield completion.chunk({"content": token})
        yield completion.chunk({}, completion.finish_reason)
        if asked.includes_usage:
            yield completion.usage_chunk()
        yield DONE


def speed_from_env(environ: Mapping[str, str]) -> float:
    """Read `LLM_TOKENS_PER_SECOND`; 400 when it is not set.

    Raises:
        ConfigurationError: it is no number above 0.
    """
    return read(environ, "LLM_TOKENS_PER_SECOND", number(1, 1_000_000), 400.0)
