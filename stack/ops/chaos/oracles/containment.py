"""How little of a fault callers may feel."""

from __future__ import annotations

import math
from collections.abc import Iterable

from stack.ops.chaos.callers import Answer
from stack.ops.chaos.counts import BREAKER_CALLS
from stack.ops.chaos.oracles.oracle import CONTAINMENT, Oracle
from stack.ops.chaos.stage import Stage


def no_errors() -> Oracle:
    """Every question is answered with 200."""
    return Oracle(
        CONTAINMENT,
        "callers see no error",
        lambda stage: bool(stage.answered()) and not _failed(stage),
        lambda stage: f"{_failed(stage)} of {len(stage.answered())}",
    )


def quick(share: float, seconds: float, *, once_open: str = "") -> Oracle:
    """So large a share of the answers, 0–1, takes no longer than that.

    Args:
        share: 0.95 for the 95th percentile, 1 for all.
        seconds: the longest that it may take.
        once_open: look only at calls that begin after the breaker around this has opened.
    """

    def asked(stage: Stage) -> list[Answer]:
        opening = stage.opened(once_open)
        since = (opening.at if opening else math.inf) if once_open else stage.began
        return [each for each in stage.answered() if each.began >= since]

    def worst(stage: Stage) -> float:
        return quantile((each.seconds for each in asked(stage)), share)

    which = "every answer" if share == 1 else f"{100 * share:.0f} % of the answers"
    when = " once the breaker is open" if once_open else ""
    return Oracle(
        CONTAINMENT,
        f"{which} within {seconds:g} s{when}",
        lambda stage: worst(stage) <= seconds,
        lambda stage: f"{worst(stage):.2f} s",
    )


def stays_closed(component: str) -> Oracle:
    """The gateway's breaker around a neighbour of what fails does not open."""
    return Oracle(
        CONTAINMENT,
        f"gateway's breaker around {component} stays closed",
        lambda stage: stage.moved(component) == 0,
        lambda stage: f"{stage.moved(component)} transitions",
    )


def callers_breaker_closed() -> Oracle:
    """The breaker of those who call the gateway has nothing to complain of."""

    def failures(stage: Stage) -> int:
        return stage.callers.breaker.stats().failures

    return Oracle(
        CONTAINMENT,
        "the callers' breaker around gateway stays closed",
        lambda stage: stage.callers.breaker.state == "closed" and failures(stage) == 0,
        lambda stage: f"{failures(stage)} failures",
    )


def falls_back() -> Oracle:
    """The gateway answers without its llm, and says so."""

    def fallbacks(stage: Stage) -> int:
        return sum(each.degraded for each in stage.answered())

    return Oracle(
        CONTAINMENT,
        "answers come from the fallback",
        lambda stage: fallbacks(stage) > 0,
        lambda stage: f"{fallbacks(stage)} of {len(stage.answered())}",
        lambda _: 10.0,
    )


def opens_not_before(component: str, mark: str, failures: int) -> Oracle:
    """The breaker stays closed until the fault is that bad, and until so many calls failed."""
    return Oracle(
        CONTAINMENT,
        f"it opens not before {mark}, nor before {failures} failures",
        lambda stage: (
            (opening := stage.opened(component)) is not None
            and opening.at >= stage.marks[mark]
            and opening.failures >= failures
        ),
        lambda stage: (
            f"{opening.failures:.0f} failures" if (opening := stage.opened(component)) else "never"
        ),
    )


def opens_once(component: str) -> Oracle:
    """However many threads see it fail, the breaker opens once and closes once."""
    return Oracle(
        CONTAINMENT,
        f"the breaker around {component} opens once",
        lambda stage: stage.moved(component, "closed", "open") == 1,
        lambda stage: f"{stage.moved(component, 'closed', 'open')}",
    )


def spared(component: str, share: float) -> Oracle:
    """While it fails, at most such a share of the calls is made, 0–1; the others are refused."""

    def failed(stage: Stage) -> tuple[float, float]:
        failures = stage.rise("gateway", BREAKER_CALLS, component=component, outcome="failure")
        refused = stage.rise("gateway", BREAKER_CALLS, component=component, outcome="rejected")
        return failures, failures + refused

    return Oracle(
        CONTAINMENT,
        f"at most {100 * share:.0f} % of the calls still reach {component}",
        lambda stage: failed(stage)[1] > 0 and failed(stage)[0] <= share * failed(stage)[1],
        lambda stage: "{:.0f} of {:.0f}".format(*failed(stage)),
    )


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that so large a share does not exceed; infinite for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf


def _failed(stage: Stage) -> int:
    return sum(each.status != 200 for each in stage.answered())
