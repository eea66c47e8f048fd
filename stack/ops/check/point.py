"""One point of the contract, and what came of checking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from stack.ops.check.telling import shown
from stack.ops.check.visit import Visit


class Outcome(StrEnum):
    """Whether a service obeys a point."""

    OK = "ok"
    FAILS = "fails"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of checking a point, and what was seen, or why it could not be checked."""

    outcome: Outcome
    seen: str


Judge = Callable[[Visit], Verdict]


@dataclass(frozen=True, slots=True)
class Point:
    """A sentence of the contract that can be checked from outside.

    Args:
        name: what it is called by, `subject.point`.
        rule: the sentence.
        mend: what to do in a service that does not obey it, in one line.
        judge: looks at the service; raises `CannotCheckError` where it cannot.
    """

    name: str
    rule: str
    mend: str
    judge: Judge


def point(name: str, rule: str, mend: str) -> Callable[[Judge], Point]:
    """Make a point of the function that judges it."""
    return lambda judge: Point(name, rule, mend, judge)


def ok(seen: str) -> Verdict:
    """Say that the service obeys."""
    return Verdict(Outcome.OK, shown(seen))


def fails(seen: str) -> Verdict:
    """Say that it does not."""
    return Verdict(Outcome.FAILS, shown(seen))


def not_checked(why: str) -> Verdict:
    """Say that it could not be seen."""
    return Verdict(Outcome.NOT_CHECKED, shown(why))


def listed(wrong: list[str], most: int = 3) -> str:
    """Name the first few of what is wrong."""
    more = f" and {len(wrong) - most} more" if len(wrong) > most else ""
    return ", ".join(wrong[:most]) + more
