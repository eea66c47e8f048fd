"""Composes an answer from the passages in a conversation: the same input, the same answer.

The passages are what stands between `<passage title="…">` and `</passage>` in any message; the
question is the last message of the user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.llm.units import Unit, units

MAX_UNITS = 5
MAX_STEPS = 12
NOTHING_GIVEN = "I answer from passages of documents, and I was given none."

_PASSAGE = re.compile(r'<passage title="([^"\n]*)">\n?(.*?)</passage>', re.DOTALL)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMMON = (
    "a about an and are as at be by can did do does for from has have how i if in into is it its me"
    " my of on or our should so that the their them then there this to us was we what when where"
    " which who why will with would you your"
)
_STOP_WORDS = frozenset(_COMMON.split())
_STEM = re.compile(r"(?<=\w{3})(?:ing|ed|es|s)$")


@dataclass(frozen=True, slots=True)
class _Candidate:
    unit: Unit
    passage: int
    position: int
    score: float


def compose(messages: Iterable[tuple[str, str]]) -> str:
    """Answer the last question of a conversation.

    Args:
        messages: pairs of role and text.
    """
    conversation = list(messages)
    question = next((text for role, text in reversed(conversation) if role == "user"), "")
    passages = [found for _, text in conversation for found in _PASSAGE.findall(text)]
    candidates = _candidates(_terms(_PASSAGE.sub("", question)), passages)
    if not candidates:
        return NOTHING_GIVEN
    return _written(_chosen(candidates))


def _candidates(asked: set[str], passages: list[tuple[str, str]]) -> list[_Candidate]:
    """Score every unit by the rare words it shares with the question and its passage's rank."""
    cut = [(_terms(title), units(text)) for title, text in passages]
    known = [_terms(unit.text) for _, found in cut for unit in found]
    weight = {
        term: math.log(1 + len(known) / (1 + sum(term in each for each in known))) for term in asked
    }
    return [
        _Candidate(unit, rank, position, _score(asked, weight, title, unit) + 2 / (1 + rank))
        for rank, (title, found) in enumerate(cut)
        for position, unit in enumerate(found)
    ]


def _score(asked: set[str], weight: dict[str, float], title: set[str], unit: Unit) -> float:
    text = _terms(unit.text)
    shared = sum(weight[term] for term in asked & text)
    # A passage about the subject need not repeat its name in every sentence.
    return shared + sum(weight[term] for term in asked & title) / 2


def _chosen(candidates: list[_Candidate]) -> list[_Candidate]:
    """Take the best units; one step of a procedure brings the whole procedure."""
    ordered = sorted(candidates, key=lambda c: (-c.score, c.passage, c.position))
    best = ordered[0]
    taken = [best, *(c for c in ordered[1:MAX_UNITS] if c.score >= best.score / 2)]
    steps = next((c for c in taken if c.unit.is_step), None)
    if steps is not None:
        whole = [c for c in candidates if _same_list(c, steps)][:MAX_STEPS]
        taken = [*(c for c in taken if not c.unit.is_step), *whole]
    return sorted(taken, key=lambda c: (c.passage, c.position))


def _same_list(one: _Candidate, other: _Candidate) -> bool:
    """Tell whether both are steps of one passage: code between steps may have cut the list."""
    return one.passage == other.passage and one.unit.is_step


def _written(chosen: list[_Candidate]) -> str:
    """Set list items on lines of their own, sentences of one paragraph behind each other."""
    text = ""
    before: _Candidate | None = None
    for each in chosen:
        if before is not None:
            text += _between(before, each)
        text += f"{each.unit.marker} {each.unit.text}".strip()
        before = each
    return text


def _between(before: _Candidate, each: _Candidate) -> str:
    if before.unit.marker and each.unit.marker:
        return "\n"
    same = (before.passage, before.unit.block) == (each.passage, each.unit.block)
    return " " if same else "\n\n"


def _terms(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return {_STEM.sub("", word) for word in words if word not in _STOP_WORDS}
