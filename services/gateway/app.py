"""`POST /ask` answers a question from the documents; `/` is a page to ask it on."""

from __future__ import annotations

from flask import Flask, Response, jsonify, render_template, request
from opentelemetry import trace
from werkzeug.exceptions import HTTPException

import stack
from services.gateway.answering import Answering
from services.gateway.llm_client import LLMClient
from services.gateway.question import MAX_BODY_BYTES, BadRequestError, read_question
from services.gateway.retrieval_client import RetrievalClient, RetrievalUnavailableError
from services.gateway.settings import Settings
from stack.web.headers import secure


def create_app(
    settings: Settings | None = None,
    retrieval: stack.HttpClient | None = None,
    llm: stack.HttpClient | None = None,
) -> Flask:
    """Make the application.

    `/readyz` does not look at retrieval or llm: a gateway that is taken out of service because a
    neighbour is down can no longer degrade, nor say 503 with a time to come back.

    Args:
        settings: from the environment when not given.
        retrieval: calls the retrieval service; for tests.
        llm: calls the model; for tests.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    stack.instrument(app, service="gateway")
    answering = Answering(
        RetrievalClient(retrieval or retrieval_http(settings)),
        LLMClient(llm or llm_http(settings), settings.llm_model, settings.llm_api_key),
    )

    @app.post("/ask")
    def ask() -> Response:
        answer = answering.answer(read_question(request))
        return jsonify(answer.as_json(current_trace_id()))

    @app.get("/")
    def page() -> str:
        return render_template("ask.html", jaeger_url=settings.jaeger_url)

    secure(app)
    _answer_errors_in_json(app)
    return app


def retrieval_http(settings: Settings) -> stack.HttpClient:
    """Make the client of retrieval: quick or not at all."""
    return stack.HttpClient(
        "retrieval",
        base_url=settings.retrieval_url,
        timeout=2.0,
        retries=2,
        budget=4.0,
        breaker=_breaker("retrieval", settings),
    )


def llm_http(settings: Settings) -> stack.HttpClient:
    """Make the client of the model: one repetition, within less than two timeouts."""
    timeout = settings.llm_timeout
    return stack.HttpClient(
        "llm",
        base_url=settings.llm_base_url,
        timeout=timeout,
        retries=1,
        budget=timeout * 1.5,
        breaker=_breaker("llm", settings),
    )


def _breaker(peer: str, settings: Settings) -> stack.CircuitBreaker:
    return stack.get_circuit_breaker(peer, timeout_seconds=settings.breaker_timeout)


def current_trace_id() -> str | None:
    """Return the id of the trace being made; None when there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def _answer_errors_in_json(app: Flask) -> None:
    @app.errorhandler(BadRequestError)
    def refused(error: BadRequestError) -> tuple[Response, int]:
        return jsonify(error.as_json()), error.status

    @app.errorhandler(RetrievalUnavailableError)
    def unavailable(error: RetrievalUnavailableError) -> tuple[Response, int]:
        problem = BadRequestError(503, "the documents cannot be searched now; try again later")
        response = jsonify({**problem.as_json(), "trace_id": current_trace_id()})
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response, 503

    @app.errorhandler(413)
    def too_large(_: HTTPException) -> tuple[Response, int]:
        return refused(
            BadRequestError(413, f"the body must not exceed {MAX_BODY_BYTES} bytes", field="body")
        )

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        return refused(BadRequestError(error.code or 500, error.description or error.name))
