"""Calls the language model, and measures it by the GenAI conventions.

Attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
What was asked and answered goes into no span, metric or log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from pydantic import BaseModel, Field, ValidationError

from services.gateway.metrics import OPERATION_DURATION, TOKEN_USAGE
from stack import CallBudgetExceededError, CircuitBreakerOpenError, HttpClient
from stack.metrics.instruments import exemplar

# The conventions name the provider by the wire form, where a client can see no more than that.
PROVIDER = "openai"

_tracer = trace.get_tracer("gateway.llm")


class LLMUnavailableError(Exception):
    """There is no answer of the model to be had now; `reason` is a short name of why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the language model is unavailable: {reason}")


class _Message(BaseModel):
    content: str = Field(min_length=1)


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Completion(BaseModel):
    id: str = ""
    model: str = ""
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class LLMClient:
    """Asks one model through a client. Thread-safe.

    Args:
        http: the client of an API in the OpenAI wire form.
        model: the model's name.
        api_key: sent as a bearer token; None sends none.
    """

    def __init__(self, http: HttpClient, model: str, api_key: str | None = None) -> None:
        self._http = http
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def chat(self, messages: list[dict[str, str]]) -> str:
        """Return the model's next message.

        Raises:
            LLMUnavailableError: no usable answer, or the breaker is open.
        """
        with self._operation() as span:
            completion = self._completion(messages)
            self._note(span, completion)
            return completion.choices[0].message.content

    def _completion(self, messages: list[dict[str, str]]) -> _Completion:
        body = {"model": self._model, "messages": messages}
        try:
            # The same messages may be sent twice: nothing is changed by asking.
            response = self._http.post(
                "/v1/chat/completions", json=body, headers=self._headers, idempotent=True
            )
        except CircuitBreakerOpenError as error:
            raise LLMUnavailableError("circuit_breaker_open") from error
        except (httpx.HTTPError, CallBudgetExceededError) as error:
            raise LLMUnavailableError(type(error).__name__) from error
        if response.status_code != 200:
            raise LLMUnavailableError(str(response.status_code))
        try:
            return _Completion.model_validate_json(response.content)
        except ValidationError as error:
            raise LLMUnavailableError("invalid_answer") from error

    @contextmanager
    def _operation(self) -> Iterator[Span]:
        """Make the call's span current; time it unless the breaker kept it from being made."""
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": self._model,
        }
        started = time.perf_counter()
        reason = ""
        with _tracer.start_as_current_span(
            f"chat {self._model}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except LLMUnavailableError as error:
                reason = error.reason
                span.set_attribute("error.type", reason)
                span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                if reason != "circuit_breaker_open":
                    series = OPERATION_DURATION.labels("chat", PROVIDER, self._model, reason)
                    series.observe(time.perf_counter() - started, exemplar())

    def _note(self, span: Span, completion: _Completion) -> None:
        span.set_attribute("gen_ai.response.id", completion.id[:100])
        span.set_attribute("gen_ai.response.model", completion.model[:100])
        reasons = [
            choice.finish_reason[:20] for choice in completion.choices if choice.finish_reason
        ]
        span.set_attribute("gen_ai.response.finish_reasons", reasons)
        if completion.usage is None:
            return
        counts = {
            "input": completion.usage.prompt_tokens,
            "output": completion.usage.completion_tokens,
        }
        for kind, count in counts.items():
            span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
            series = TOKEN_USAGE.labels("chat", PROVIDER, self._model, kind)
            series.observe(count, exemplar())
