"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass, field

OK, PROBLEM, NOT_CHECKED = "ok", "problem", "not checked"


class NotCheckedError(Exception):
    """A check cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Args:
        what: it and its cause, with figures.
        mend: a command that mends it, or shows more where only a person can.
    """

    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check that could be made has seen.

    Args:
        seen: in one line, with figures.
        problems: none if all is well.
    """

    seen: str
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result.

    Args:
        name: the check's.
        symptom: of what it looks for the cause.
        verdict: ok, problem or not checked.
        seen: what was seen; for `not checked` why it could not be.
        problems: each with its mend.
    """

    name: str
    symptom: str
    verdict: str
    seen: str
    problems: tuple[Problem, ...] = ()
