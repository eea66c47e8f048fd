"""The words of a question or a document, as the index knows them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

MAX_TERMS = 32
MAX_WORDS = 400
MAX_TERM_CHARACTERS = 64

_WORD = re.compile(r"[^\W_]+")
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# "do" asks for an action, as in "what to do", unless it only carries the question: "how do I …".
_CARRIER = re.compile(
    r"\b(?:do|does|did|can|could|should|would|must)\s+(?:i|we|you|they|it)\b", re.I
)
# Who asks what to do wants the steps, whatever word their heading has for it.
_ACTION = re.compile(r"\b(?:do|fix|mend|repair|solve|what now)\b", re.IGNORECASE)
_STEPS = 'heading : ("do" OR "fix" OR "mend" OR "repair" OR "steps" OR "mitigation" OR "remedy")'
_COMMON = (
    "a about an and are as at be by for from has have how i if in into is it its me my of on or our"
    " so that the their them then there this to us was we what when where which who why will with"
    " you your"
)
_STOP_WORDS = frozenset(_COMMON.split())


def names_split(text: str) -> str:
    """Return the parts of every joined name in a text: CircuitBreakerOpen → Circuit Breaker Open.

    They go into the index beside the text, so that a name is found whole and by its parts.
    """
    return " ".join(part for word in _WORD.findall(text) for part in _parts_of(word))


def match_expression(question: str) -> str:
    """Turn free text into an FTS5 query that matches any of its words.

    Every word is quoted, so nothing a person types is an operator. Common words are left out
    unless there are no others.

    Args:
        question: any text.

    Returns:
        The query; empty when the text has no word.
    """
    content = _CARRIER.sub(" ", question)
    words = _WORD.findall(content) or _WORD.findall(question)
    telling = [word for word in words if word.lower() not in _STOP_WORDS] or words
    terms = dict.fromkeys(
        term.lower()[:MAX_TERM_CHARACTERS] for word in telling for term in (word, *_parts_of(word))
    )
    steps = [_STEPS] if _ACTION.search(content) else []
    return " OR ".join([*(f'"{term}"' for term in list(terms)[:MAX_TERMS]), *steps])


def name_of(path: str) -> str | None:
    """Return the joined name that a document's file has, in lower case; None for a plain word."""
    stem = PurePosixPath(path).stem
    return stem.lower() if _parts_of(stem) else None


def names_in(question: str) -> list[str]:
    """Return every word of a question in lower case: one of them may name a document."""
    return list(dict.fromkeys(_WORD.findall(question.lower())))[:MAX_WORDS]


def _parts_of(word: str) -> list[str]:
    parts = _NAME_PART.findall(word)
    return parts if len(parts) > 1 else []
