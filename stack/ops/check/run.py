"""Checks a service point by point."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from stack.ops.check import conventions, exemplars, faults, health, logs, metrics, traces
from stack.ops.check.point import Point, Verdict, fails, not_checked
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import Visit

# Faults before traces and logs, which look at the requests that fail by them.
POINTS: tuple[Point, ...] = (
    *health.POINTS,
    *metrics.POINTS,
    *conventions.POINTS,
    *exemplars.POINTS,
    *faults.POINTS,
    *traces.POINTS,
    *logs.POINTS,
)


def check(visit: Visit) -> Iterator[tuple[Point, Verdict]]:
    """Yield what comes of each point, in their order.

    Raises:
        OpsError: nobody answers.
    """
    visit.begin()
    for point in POINTS:
        yield point, _judged(point, visit)


def _judged(point: Point, visit: Visit) -> Verdict:
    try:
        return point.judge(visit)
    except CannotCheckError as error:
        return not_checked(str(error))
    except httpx.HTTPError as error:
        return fails(f"no answer: {type(error).__name__} {error}")
