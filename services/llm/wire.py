"""The OpenAI wire form of a chat: what comes in, what goes out, what an error looks like.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MODEL = "extractive-1"


class WireError(Exception):
    """A request that cannot be served, in the form that OpenAI clients understand."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        self.status = status
        self.param = param
        self.code = code
        super().__init__(message)

    def as_json(self) -> dict[str, Any]:
        """Return the body of the error's response."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


class _Model(BaseModel):
    # Clients send options that this model has no use for; a wrong type is still an error.
    model_config = ConfigDict(strict=True, extra="ignore")


class TextPart(_Model):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(_Model):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """What the message says, in one string."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(_Model):
    """Options of a streamed answer."""

    include_usage: bool = False


class ChatRequest(_Model):
    """A request for the next message of a conversation."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = 1

    @property
    def limit(self) -> int | None:
        """The most tokens that the answer may have."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def includes_usage(self) -> bool:
        """Whether a streamed answer ends in a chunk with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @classmethod
    def parse(cls, body: bytes) -> ChatRequest:
        """Read a request's body.

        Raises:
            WireError: it is no JSON, has a wrong shape, or asks for an unknown model.
        """
        try:
            request = cls.model_validate(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise WireError(400, f"the body is not valid JSON: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            param = ".".join(map(str, first["loc"]))[:100] or None
            raise WireError(400, f"{param or 'body'}: {first['msg']}", param=param) from None
        if request.model != MODEL:
            raise WireError(
                404,
                f"the model {request.model[:100]!r} does not exist; use {MODEL!r}",
                param="model",
                code="model_not_found",
            )
        return request


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer, as tokens."""

    tokens: list[str]
    input_tokens: int
    truncated: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def finish_reason(self) -> str:
        """Why the answer ends where it does."""
        return "length" if self.truncated else "stop"

    @property
    def usage(self) -> dict[str, int]:
        """How many tokens went in and came out."""
        output = len(self.tokens)
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the whole answer."""
        message = {"role": "assistant", "content": "".join(self.tokens), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None}
        choice["finish_reason"] = self.finish_reason
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    def chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        """Return one server-sent event with a piece of the answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def usage_chunk(self) -> bytes:
        """Return the event that tells the usage of a streamed answer."""
        return _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": MODEL}


DONE = b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
