"""What must follow a fault, in sentences that can turn out false.

An oracle of detection says that the fault is seen, one of containment how little of it callers may
feel, one of recovery that nothing of it is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stack.ops.chaos.callers import Answer
from stack.ops.chaos.counts import ANSWERS, BREAKER_CALLS, REQUESTS, TRANSITIONS
from stack.ops.chaos.stage import WAYS, Stage
from stack.ops.drill.causes import Drilled

DETECTION, CONTAINMENT, RECOVERY = "detection", "containment", "recovery"
# Until Prometheus has what a service has counted: a scrape is at most 5 s away.
_SCRAPED = 15.0
# Calls that are looked at for whether all is well again.
_LAST = 5


@dataclass(frozen=True, slots=True)
class Oracle:
    """One of them.

    Args:
        kind: detection, containment or recovery.
        says: what must be so.
        met: whether it is.
        measured: by which figure.
        within: for how many seconds it is waited for; 0 for what must be so already.
    """

    kind: str
    says: str
    met: Callable[[Stage], bool]
    measured: Callable[[Stage], str]
    within: Callable[[Stage], float] = lambda _: 0.0


def opens(component: str, within: float = 10.0) -> Oracle:
    """Failures open the gateway's breaker; in seconds from when it is first waited for."""
    return Oracle(
        DETECTION,
        f"gateway's breaker around {component} opens within {within:g} s",
        lambda stage: stage.moved(component, "closed", "open") > 0,
        lambda stage: _after(stage, component, "closed", "open"),
        lambda _: within,
    )


def probe_fails(component: str) -> Oracle:
    """While the fault lasts, a probe opens the breaker again."""
    return Oracle(
        DETECTION,
        f"a probe of {component} fails",
        lambda stage: stage.moved(component, "half_open", "open") > 0,
        lambda stage: _after(stage, component, "half_open", "open"),
        lambda stage: 2 * stage.sources.breaker_timeout + 10,
    )


def counted_by_prometheus(component: str) -> Oracle:
    """Prometheus has as many openings as the gateway itself."""
    labels = {"component": component, "from_state": "closed", "to_state": "open"}
    selected = ",".join(f'{name}="{value}"' for name, value in labels.items())
    expression = f'sum({TRANSITIONS}{{service="gateway",{selected}}})'

    def same(stage: Stage) -> bool:
        there = stage.sources.read("gateway").total(TRANSITIONS, **labels)
        return stage.moved(component) > 0 and stage.sources.ask(expression) == there

    return Oracle(
        DETECTION,
        f"Prometheus counts each opening around {component}",
        same,
        lambda stage: f"{stage.moved(component, 'closed', 'open')} counted",
        lambda _: _SCRAPED,
    )


def delivered(alert: Drilled) -> Oracle:
    """The alert fires, and the inbox has it."""
    return Oracle(
        DETECTION,
        f"{alert.name} is delivered",
        lambda stage: stage.lines[alert.name].far_enough,
        lambda stage: _step(stage, alert, "delivered"),
        lambda stage: stage.sources.patience[alert.name].to_delivery,
    )


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


def counted(requests: int, route: str) -> Oracle:
    """The llm has counted each of the callers' requests of a route once, by its status."""

    def statuses(stage: Stage) -> dict[str, int]:
        got = [str(each.status) for each in stage.models.answers if each.began >= stage.began]
        return {status: got.count(status) for status in sorted(set(got))}

    def same(stage: Stage) -> bool:
        expected = statuses(stage)
        return sum(expected.values()) == requests == stage.rise(
            "llm", REQUESTS, http_route=route
        ) and all(
            stage.rise("llm", REQUESTS, http_route=route, http_response_status_code=status) == times
            for status, times in expected.items()
        )

    return Oracle(
        DETECTION,
        f"llm counts {requests} requests more, by status as the callers got them",
        same,
        lambda stage: (
            f"{stage.rise('llm', REQUESTS, http_route=route):.0f}: "
            + ", ".join(f"{times} × {status}" for status, times in statuses(stage).items())
        ),
        # A worker counts a request when its answer is on its way.
        lambda _: 5.0,
    )


def scraped(route: str) -> Oracle:
    """Prometheus has the same count of a route as the llm's own workers together."""
    expression = f'sum({REQUESTS}{{service="llm",http_route="{route}"}})'
    return Oracle(
        DETECTION,
        "Prometheus has the same count",
        lambda stage: (
            stage.sources.ask(expression)
            == stage.sources.read("llm").total(REQUESTS, http_route=route)
        ),
        lambda stage: f"{stage.sources.ask(expression) or 0:.0f} in all",
        lambda _: _SCRAPED,
    )


def closes(component: str, within: float = 10.0) -> Oracle:
    """The breaker is closed again so many seconds, and three waits of it, after the fault."""
    return Oracle(
        RECOVERY,
        f"gateway's breaker around {component} closes",
        lambda stage: stage.moved(component) > 0 and stage.state(component) == "closed",
        lambda stage: _after(stage, component, "half_open", "closed"),
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
        lambda stage: _step(stage, alert, "resolved"),
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


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that so large a share does not exceed; infinite for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf


def _failed(stage: Stage) -> int:
    return sum(each.status != 200 for each in stage.answered())


def _after(stage: Stage, component: str, *way: str) -> str:
    found = (t.at for t in stage.transitions if t.component == component and t.way == way)
    at = next(found, None)
    return "never" if at is None else f"{at - stage.began:.1f} s"


def _step(stage: Stage, alert: Drilled, step: str) -> str:
    after = stage.lines[alert.name].after_fault(step)
    return "never" if after is None else f"{after:.1f} s"
