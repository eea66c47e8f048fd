"""That nothing of a fault is left, and that what was counted adds up."""

from __future__ import annotations

import time

from stack.ops.chaos.counts import ANSWERS, BREAKER_CALLS
from stack.ops.chaos.oracles.oracle import RECOVERY, Oracle, moment, step
from stack.ops.chaos.stage import WAYS, Stage
from stack.ops.drill.causes import Drilled

# Calls that are looked at for whether all is well again.
_LAST = 5


def closes(component: str, within: float = 10.0) -> Oracle:
    """The breaker is closed again so many seconds, and three waits of it, after the fault."""
    return Oracle(
        RECOVERY,
        f"gateway's breaker around {component} closes",
        lambda stage: stage.moved(component) > 0 and stage.state(component) == "closed",
        lambda stage: moment(stage, component, "half_open", "closed"),
        lambda stage: within + 3 * stage.sources.breaker_timeout,
    )


def whole() -> Oracle:
    """The last few questions since the fault's end are answered with the llm."""

    def good(stage: Stage) -> int:
        last = [each for each in stage.answered() if each.began >= stage.ended][-_LAST:]
        return sum(each.status == 200 and not each.degraded for each in last)

    return Oracle(
        RECOVERY,
        f"{_LAST} answers in a row come from the llm",
        lambda stage: good(stage) == _LAST,
        lambda stage: f"{good(stage)} of {_LAST}",
        lambda stage: 10 + 3 * stage.sources.breaker_timeout,
    )


def resolved(alert: Drilled) -> Oracle:
    """The inbox has stored that the alert is over."""
    return Oracle(
        RECOVERY,
        f"{alert.name} is resolved",
        lambda stage: stage.lines[alert.name].complete,
        lambda stage: step(stage, alert, "resolved"),
        lambda stage: stage.sources.patience[alert.name].to_resolution,
    )


def pages_nobody(alert: Drilled, component: str = "") -> Oracle:
    """The alert does not fire, unless the breaker was open for as long as the alert's `for`."""

    def long(stage: Stage) -> bool:
        ends = [each.at for each in stage.transitions if each.way == ("half_open", "closed")]
        opening = stage.opened(component)
        lasted = ends[-1] - opening.at if ends and opening else 0.0
        # What is seen of it is as exact as the looks at it.
        return lasted + 0.5 >= stage.sources.patience[alert.name].lasts

    def over(stage: Stage) -> bool:
        line = stage.lines[alert.name]
        if line.firing is not None:
            return bool(component) and long(stage) and line.complete
        # What was counted last has to be scraped, and looked at by the rule.
        known = time.time() >= stage.ended + 3 * stage.sources.interval
        return known and not stage.sources.alerts().active(alert)

    return Oracle(
        RECOVERY,
        f"{alert.name} pages nobody",
        over,
        lambda stage: "fired" if stage.lines[alert.name].firing is not None else "silent",
        lambda stage: stage.sources.patience[alert.name].to_resolution,
    )


def every_transition(component: str) -> Oracle:
    """Each way between the states was gone, and each as often as the others allow."""

    def consistent(stage: Stage) -> bool:
        opening, probing, again, closing = (stage.moved(component, *way) for way in WAYS)
        return min(opening, again) > 0 and opening == closing and probing == again + closing

    return Oracle(
        RECOVERY,
        "all four transitions were made, and add up",
        consistent,
        lambda stage: ", ".join(str(stage.moved(component, *way)) for way in WAYS),
    )


def adds_up(component: str) -> Oracle:
    """No call is lost or counted twice: each answer is one call, made or refused."""

    def both(stage: Stage) -> tuple[float, float]:
        calls = stage.rise("gateway", BREAKER_CALLS, component=component)
        return calls, sum(
            stage.rise("gateway", ANSWERS, outcome=each) for each in ("model", "passages")
        )

    return Oracle(
        RECOVERY,
        f"as many calls of {component} are counted as answers",
        lambda stage: both(stage)[0] == both(stage)[1],
        lambda stage: "{:.0f} and {:.0f}".format(*both(stage)),
        # The two are counted one after the other while questions come in.
        lambda _: 10.0,
    )
