"""The body of `POST /ask`: what is allowed, and a clear error for what is not."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from flask import Request
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

MAX_BODY_BYTES = 64 * 1024
MAX_QUESTION_CHARACTERS = 2_000
MAX_SHOWN_CHARACTERS = 100

_ALLOWED = f"a text of 1 to {MAX_QUESTION_CHARACTERS} characters that is not blank"


class BadRequestError(Exception):
    """A request that cannot be answered.

    Args:
        status: of the response.
        message: what is wrong and what would be right.
        field: the field at fault; None for the request as a whole.
        value: what it held.
    """

    def __init__(
        self, status: int, message: str, *, field: str | None = None, value: object = None
    ) -> None:
        self.status = status
        self.field = field
        self.value = value
        super().__init__(message)

    def as_json(self) -> dict[str, Any]:
        """Return the error's body; a long or nested value is shown shortened."""
        return {
            "error": {"field": self.field, "value": _shown(self.value), "message": str(self)},
        }


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    question: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARACTERS),
    ]


def read_question(request: Request) -> str:
    """Return the question that a request asks.

    Raises:
        BadRequestError: the body is of another type or no valid question.
        werkzeug.exceptions.RequestEntityTooLarge: the body is longer than the application allows.
    """
    if not request.is_json:
        raise BadRequestError(
            415,
            "Content-Type must be application/json",
            field="Content-Type",
            value=request.content_type,
        )
    try:
        # orjson bounds the nesting itself, so that no body can exhaust the stack.
        return _Body.model_validate(orjson.loads(request.get_data(cache=False))).question
    except orjson.JSONDecodeError as error:
        raise BadRequestError(400, f"the body is not valid JSON: {error}", field="body") from None
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> BadRequestError:
    """Turn pydantic's first complaint into one line that says what to send."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(map(str, first["loc"]))[:MAX_SHOWN_CHARACTERS]
    if not field:
        message = 'the body must be a JSON object: {"question": "…"}'
        return BadRequestError(400, message, field="body", value=first["input"])
    if first["type"] == "missing":
        return BadRequestError(400, f"question is missing; it must be {_ALLOWED}", field=field)
    if first["type"] == "extra_forbidden":
        message = "the only field allowed is question"
        return BadRequestError(400, message, field=field, value=first["input"])
    return BadRequestError(400, f"question must be {_ALLOWED}", field=field, value=first["input"])


def _shown(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        return value[:MAX_SHOWN_CHARACTERS]
    if value is None or isinstance(value, bool | int | float):
        return value
    # What is nested may be nested too deeply to write.
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
