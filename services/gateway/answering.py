"""From a question to an answer, and what is left of it when the model is away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.gateway.llm_client import LLMClient, LLMUnavailableError
from services.gateway.metrics import ANSWERS
from services.gateway.prompt import messages
from services.gateway.retrieval_client import Passage, RetrievalClient, RetrievalUnavailableError
from stack import get_logger

PASSAGES = 4
MAX_EXCERPT_CHARACTERS = 280
MAX_DEGRADED_CHARACTERS = 1_200

NOTHING_FOUND = "I found nothing about this in the documents. Try other words."
DEGRADED = "The language model is not available now. This is what the documents say:"

_log = get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, from which passages, and whether the model had to be left out."""

    text: str
    passages: list[Passage]
    degraded: bool = False

    def as_json(self, trace_id: str | None) -> dict[str, Any]:
        """Return the body of the response."""
        return {
            "answer": self.text,
            "sources": [_source(passage) for passage in self.passages],
            "degraded": self.degraded,
            "trace_id": trace_id,
        }


class Answering:
    """Answers questions. Thread-safe.

    Args:
        retrieval: finds passages.
        llm: writes the answer from them.
    """

    def __init__(self, retrieval: RetrievalClient, llm: LLMClient) -> None:
        self._retrieval = retrieval
        self._llm = llm

    def answer(self, question: str) -> Answer:
        """Answer from the documents, with the model or, when it is away, without.

        Raises:
            RetrievalUnavailableError: there are no passages to answer from.
        """
        try:
            passages = self._retrieval.search(question, PASSAGES)
        except RetrievalUnavailableError as error:
            ANSWERS.labels("unavailable").inc()
            _log.warning(error, event_type="retrieval_unavailable", reason=error.reason)
            raise
        if not passages:
            ANSWERS.labels("nothing_found").inc()
            return Answer(NOTHING_FOUND, [])
        try:
            text = self._llm.chat(messages(question, passages))
        except LLMUnavailableError as error:
            ANSWERS.labels("passages").inc()
            _log.warning(error, event_type="answer_degraded", reason=error.reason)
            return Answer(_from_passages(passages), passages, degraded=True)
        ANSWERS.labels("model").inc()
        return Answer(text, passages)


def _from_passages(passages: list[Passage]) -> str:
    best = next((passage for passage in passages if passage.text.strip()), passages[0])
    return f"{DEGRADED}\n\n{_shortened(best.text.strip() or best.heading, MAX_DEGRADED_CHARACTERS)}"


def _source(passage: Passage) -> dict[str, str]:
    return {
        "title": passage.title,
        "path": passage.path,
        "heading": passage.heading,
        "anchor": passage.anchor,
        "excerpt": _shortened(" ".join(passage.text.split()), MAX_EXCERPT_CHARACTERS),
    }


def _shortened(text: str, limit: int) -> str:
    """Cut at the end of a word, so that the text with its ellipsis is within the limit."""
    if len(text) <= limit:
        return text
    head = text[: limit - 2]
    return f"{head.rsplit(None, 1)[0] if ' ' in head else head} …"
