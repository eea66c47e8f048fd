"""Calls retrieval for the passages that match a question."""

from __future__ import annotations

import math

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from stack import CallBudgetExceededError, CircuitBreakerOpenError, HttpClient


class Passage(BaseModel):
    """A section of a document that matches the question."""

    model_config = ConfigDict(frozen=True)

    path: str
    title: str
    heading: str
    anchor: str
    text: str


class _Found(BaseModel):
    passages: list[Passage]


class RetrievalUnavailableError(Exception):
    """There are no passages to be had now.

    Args:
        reason: what happened, as a short name.
        retry_after: whole seconds after which a new try makes sense; None when nobody knows.
    """

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"retrieval is unavailable: {reason}")


class RetrievalClient:
    """Searches through a client. Thread-safe.

    Args:
        http: the client of the retrieval service.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def search(self, question: str, limit: int) -> list[Passage]:
        """Return the best passages, best first.

        Raises:
            RetrievalUnavailableError: no usable answer from retrieval.
        """
        try:
            response = self._http.get("/search", params={"q": question, "k": limit})
        except CircuitBreakerOpenError as error:
            reason = "circuit_breaker_open"
            raise RetrievalUnavailableError(reason, _whole_seconds(error.retry_after)) from error
        except (httpx.HTTPError, CallBudgetExceededError) as error:
            raise RetrievalUnavailableError(type(error).__name__) from error
        if response.status_code != 200:
            after = response.headers.get("Retry-After", "")
            known = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
            raise RetrievalUnavailableError(str(response.status_code), known)
        try:
            return _Found.model_validate_json(response.content).passages
        except ValidationError as error:
            raise RetrievalUnavailableError("invalid_answer") from error


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
