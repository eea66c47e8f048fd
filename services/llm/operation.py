"""The span and the metric of one chat.

Attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
Neither holds what was asked or answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from services.llm.metrics import SERVER_DURATION
from services.llm.wire import MODEL, Completion
from stack.metrics.instruments import exemplar

PROVIDER = "extractive"

_tracer = trace.get_tracer("llm")


@contextmanager
def chat_operation() -> Iterator[Span]:
    """Watch one chat from here to the last token.

    The span is not made current: a streamed answer may be closed outside of its context.
    """
    started = time.perf_counter()
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": MODEL,
    }
    # The model runs in this process, so the span is no call to somewhere else.
    span = _tracer.start_span(f"chat {MODEL}", kind=SpanKind.INTERNAL, attributes=attributes)
    try:
        yield span
    except Exception as error:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()
        seconds = time.perf_counter() - started
        SERVER_DURATION.labels("chat", PROVIDER, MODEL).observe(seconds, exemplar())


def note_completion(span: Span, completion: Completion) -> None:
    """Add what is known once the answer is composed."""
    span.set_attribute("gen_ai.response.id", completion.id)
    span.set_attribute("gen_ai.response.model", MODEL)
    span.set_attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
    span.set_attribute("gen_ai.usage.input_tokens", completion.input_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", len(completion.tokens))
