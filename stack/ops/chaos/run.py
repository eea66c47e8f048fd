"""Playing scenarios: a steady state, the fault, its end, and the verdict of the oracles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain

import httpx

from stack.errors import OpsError
from stack.ops.chaos.callers import ASK, MODELS, Callers
from stack.ops.chaos.counts import Reader
from stack.ops.chaos.oracles import Oracle
from stack.ops.chaos.scenarios import SCENARIOS, Scenario
from stack.ops.chaos.stage import Sources, Stage
from stack.ops.commands import Progress
from stack.ops.components import Plan
from stack.ops.drill.guard import guarded, interruptible
from stack.ops.drill.levers import Levers
from stack.ops.drill.observer import Observer
from stack.ops.drill.patience import patience
from stack.ops.drill.watching import wait_until_quiet

ALL = "ALL"
# Above it a breaker's wait and an alert's `for` are shorter than a scrape is away.
FASTEST = 20
# Fewer than the gateway's eight threads: one that waits for llm should still be seen.
_THREADS, _RATE = 5, 10.0
_STEADY = 10
_STEADY_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an oracle's sentence is true.

    Args:
        oracle: whose.
        met: None where it was not asked, since one before it failed.
        measured: by which figure.
    """

    oracle: Oracle
    met: bool | None
    measured: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario that was played.

    Args:
        scenario: which.
        events: seconds after the fault, and what happened then.
        judgements: those of all its oracles.
    """

    scenario: Scenario
    events: list[tuple[float, str]]
    judgements: list[Judgement]

    @property
    def failed(self) -> Judgement | None:
        """The first that is not met; None when all are."""
        return next((each for each in self.judgements if each.met is False), None)


def choose(wanted: Collection[str]) -> list[Scenario]:
    """Return scenarios by name or number, all of them by `ALL`.

    Raises:
        OpsError: there is no such scenario; the message names those that there are.
    """
    numbered = {str(number): each for number, each in enumerate(SCENARIOS, 1)}
    known = numbered | {each.name: each for each in SCENARIOS}
    there_are = ", ".join(f"{number} {each.name}" for number, each in numbered.items())
    if not wanted:
        raise OpsError(f"SCENARIO= names what is to be played: {ALL}, {there_are}")
    for name in wanted:
        if name != ALL and name not in known:
            raise OpsError(f"SCENARIO={name!r} is no scenario; there are {ALL}, {there_are}")
    return list(chain.from_iterable(SCENARIOS if n == ALL else (known[n],) for n in wanted))


def play(
    plan: Plan, scenarios: Iterable[Scenario], progress: Progress, done: Callable[[Played], None]
) -> None:
    """Play scenarios one after the other on a running stack.

    Args:
        plan: what runs.
        scenarios: which.
        progress: told each event as it is seen.
        done: gets each when it is over, whether all of its oracles are met or not.

    Raises:
        OpsError: the stack runs too fast, is not well at first, or a drill is going on.
        Interrupted: a signal came; the fault has been ended.
    """
    if plan.speed > FASTEST:
        raise OpsError(
            f"all waiting times are divided by {plan.speed:g}, which is too fast to see what comes "
            f"first; `make down`, then `make up SPEED={FASTEST}` or slower"
        )
    with (
        interruptible(progress),
        guarded(plan, progress),
        closing(Levers(plan)) as levers,
        Observer(plan) as observer,
    ):
        for scenario in scenarios:
            progress(f"{scenario.name}: {scenario.what}")
            quiet_within = patience(plan)[scenario.alert.name].to_resolution
            wait_until_quiet(observer, [scenario.alert], progress, quiet_within)
            with _stage(scenario, plan, levers, observer, progress) as stage:
                done(_played(scenario, levers, stage))


@contextmanager
def _stage(
    scenario: Scenario, plan: Plan, levers: Levers, observer: Observer, progress: Progress
) -> Iterator[Stage]:
    """Give a stage on which all is well, and on which questions are asked."""
    sources = Sources(
        Reader(plan, levers.http),
        lambda expression: _value(levers, expression),
        observer.latest,
        patience(plan),
        plan.breaker_timeout,
        max(1.0, 5 / plan.speed),
    )
    callers = Callers("gateway", plan.url("GATEWAY_PORT"), ASK)
    models = Callers("llm", plan.url("LLM_PORT"), MODELS)
    stage = Stage(sources, callers, models, [scenario.alert], progress)
    with callers.steadily(_THREADS, _RATE):
        stage.begin(scenario.what)
        if not stage.until(lambda: _steady(callers), _STEADY_WITHIN):
            raise OpsError(
                f"{scenario.name}: the last {_STEADY} answers of gateway are not all whole before "
                "the fault; see `make status`"
            )
        yield stage


def _value(levers: Levers, expression: str) -> float | None:
    try:
        return levers.value(expression)
    except httpx.HTTPError as error:
        raise OpsError(f"Prometheus does not answer ({error}); see `make status`") from error


def _steady(callers: Callers) -> bool:
    last = callers.answers[-_STEADY:]
    return len(last) == _STEADY and all(a.status == 200 and not a.degraded for a in last)


def _played(scenario: Scenario, levers: Levers, stage: Stage) -> Played:
    stage.begin(scenario.what)
    stage.mark("the fault begins")
    with scenario.on(levers, stage):
        judged = _waited_for(stage, scenario.during)
    stage.end()
    if all(each.met for each in judged):
        judged += _waited_for(stage, scenario.afterwards)
    else:
        judged += [Judgement(each, None) for each in scenario.afterwards]
    judged += [Judgement(o, o.met(stage), o.measured(stage)) for o in scenario.throughout]
    return Played(scenario, stage.events(), judged)


def _waited_for(stage: Stage, oracles: Iterable[Oracle]) -> list[Judgement]:
    """Wait for one after the other; after one that is not met none is asked."""
    judged: list[Judgement] = []
    for oracle in oracles:
        if judged and not judged[-1].met:
            judged.append(Judgement(oracle, None))
            continue
        met = stage.until(partial(oracle.met, stage), oracle.within(stage))
        judged.append(Judgement(oracle, met, oracle.measured(stage)))
    return judged
