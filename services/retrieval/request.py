"""What a search request may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_QUESTION_CHARACTERS = 2_000
MAX_PASSAGES = 20
DEFAULT_PASSAGES = 3
MAX_SHOWN_CHARACTERS = 100


class InvalidSearchError(Exception):
    """A parameter cannot be used; says which, what it was, and what is allowed."""

    def __init__(self, field: str, value: str | None, allowed: str) -> None:
        self.field = field
        self.value = None if value is None else value[:MAX_SHOWN_CHARACTERS]
        super().__init__(f"{field} must be {allowed}")

    def as_json(self) -> dict[str, str | None]:
        """Return what the caller gets to see."""
        return {"field": self.field, "value": self.value, "message": str(self)}


@dataclass(frozen=True, slots=True)
class Search:
    """A question and the number of passages wanted."""

    question: str
    limit: int

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Search:
        """Read `q` and `k`.

        Raises:
            InvalidSearchError: one of them cannot be used.
        """
        question = parameters.get("q")
        if question is None or not 0 < len(question.strip()) <= MAX_QUESTION_CHARACTERS:
            allowed = f"a text of 1 to {MAX_QUESTION_CHARACTERS} characters that is not blank"
            raise InvalidSearchError("q", question, allowed)
        raw = parameters.get("k", str(DEFAULT_PASSAGES))
        if not (raw.isascii() and raw.isdigit() and len(raw) < 4 and 1 <= int(raw) <= MAX_PASSAGES):
            raise InvalidSearchError("k", raw, f"a whole number from 1 to {MAX_PASSAGES}")
        return cls(question, int(raw))
