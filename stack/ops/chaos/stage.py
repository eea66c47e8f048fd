"""Where a scenario is played: who calls, what is counted, and what happens when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from stack.errors import OpsError
from stack.ops.chaos.callers import Answer, Callers
from stack.ops.chaos.counts import BREAKER_CALLS, TRANSITIONS, Counts
from stack.ops.commands import Progress
from stack.ops.drill.causes import Drilled
from stack.ops.drill.observer import Seen
from stack.ops.drill.patience import Patience
from stack.ops.drill.timeline import STEPS, TimeLine
from stack.ops.drill.watching import noting

PEERS = ("retrieval", "llm")
WAYS = (("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed"))
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a stage learns what happens.

    Args:
        read: a service's counts.
        ask: Prometheus's value of an expression; None for none.
        alerts: the last look at the alerts.
        patience: how long each alert may take, by name.
        breaker_timeout: seconds from an opening of the gateway's breakers to their first probe.
        interval: seconds between two scrapes of a service, and between two evaluations of a rule.
    """

    read: Callable[[str], Counts]
    ask: Callable[[str], float | None]
    alerts: Callable[[], Seen]
    patience: Mapping[str, Patience]
    breaker_timeout: float
    interval: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A gateway's breaker went from one state to another.

    Args:
        at: when it was seen, in Unix seconds.
        component: what it guards.
        way: from which state, to which.
        failures: failed calls since the scenario began.
    """

    at: float
    component: str
    way: tuple[str, str]
    failures: float


@dataclass(slots=True)
class Stage:
    """One scenario while it is played; all times are Unix seconds.

    Args:
        sources: where it learns what happens.
        callers: who asks the gateway all the time.
        models: who may ask the llm itself.
        alerts: those to be watched.
        progress: told each event as it is seen.
    """

    sources: Sources
    callers: Callers
    models: Callers
    alerts: Sequence[Drilled]
    progress: Progress
    began: float = 0.0
    ended: float = 0.0
    lines: dict[str, TimeLine] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    _first: dict[str, Counts] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _take_note: Callable[[Seen], bool] = lambda _: True

    def begin(self, what: str) -> None:
        """Count from now on."""
        self._first = {service: self.sources.read(service) for service in ("gateway", "llm")}
        self._states = dict.fromkeys(PEERS, "closed")
        self.began = time.time()
        self.lines = {each.name: TimeLine(each, what, self.began) for each in self.alerts}
        self._take_note = noting(list(self.lines.values()), self.progress)

    def end(self) -> None:
        """Take note that the fault is over."""
        self.ended = self.mark("the fault is over")
        for line in self.lines.values():
            line.ended = self.ended

    def mark(self, what: str) -> float:
        """Put an event on the time line; return when it was."""
        now = self.marks[what] = time.time()
        self._tell(now, what)
        return now

    def until(self, met: Callable[[], bool], within: float) -> bool:
        """Look on until `met`, for so many seconds at most; tell whether it was."""
        ends = time.monotonic() + within
        while True:
            # The service that is looked at may have no thread left to answer.
            with suppress(OpsError):
                self._look()
                if met():
                    return True
            if time.monotonic() >= ends:
                return False
            time.sleep(_PAUSE)

    def answered(self) -> list[Answer]:
        """List what the callers of the gateway got for what they asked since the fault began."""
        return [each for each in self.callers.answers if each.began >= self.began]

    def rise(self, service: str, name: str, **labels: str) -> float:
        """Return by how much a service's count is higher than when the fault began."""
        before = self._first[service].total(name, **labels)
        return self.sources.read(service).total(name, **labels) - before

    def moved(self, component: str, *way: str) -> int:
        """Count a breaker's transitions, all or those of one way."""
        return sum(
            each.component == component and (not way or each.way == way)
            for each in self.transitions
        )

    def opened(self, component: str) -> Transition | None:
        """Return a breaker's first opening."""
        return next((each for each in self.transitions if each.component == component), None)

    def state(self, component: str) -> str:
        """Return a breaker's state as it was last seen."""
        return self._states[component]

    def events(self) -> list[tuple[float, str]]:
        """List what happened, in the order in which it did: seconds after the fault, and what."""
        steps = [
            (getattr(line, step), f"{name} {step}")
            for name, line in self.lines.items()
            for step in STEPS
            if step != "ended"
        ]
        moves = [(each.at, _told(each)) for each in self.transitions]
        marks = [(at, what) for what, at in self.marks.items()]
        happened = [(at - self.began, what) for at, what in steps + moves + marks if at is not None]
        return sorted(happened)

    def _look(self) -> None:
        self._take_note(self.sources.alerts())
        counts = self.sources.read("gateway")
        for component in PEERS:
            self._follow(component, counts)

    def _follow(self, component: str, counts: Counts) -> None:
        """Take note of a breaker's new transitions, in the one order that they can have had."""
        new = {
            way: self._since(counts, TRANSITIONS, component, way) - self.moved(component, *way)
            for way in WAYS
        }
        failures = counts.total(BREAKER_CALLS, component=component, outcome="failure")
        failures -= self._first["gateway"].total(
            BREAKER_CALLS, component=component, outcome="failure"
        )
        while way := next(
            (way for way in WAYS if new[way] > 0 and way[0] == self._states[component]), None
        ):
            new[way] -= 1
            self._states[component] = way[1]
            seen = Transition(time.time(), component, way, failures)
            self.transitions.append(seen)
            self._tell(seen.at, _told(seen))

    def _since(self, counts: Counts, name: str, component: str, way: tuple[str, str]) -> float:
        labels = {"component": component, "from_state": way[0], "to_state": way[1]}
        return counts.total(name, **labels) - self._first["gateway"].total(name, **labels)

    def _tell(self, at: float, what: str) -> None:
        self.progress(f"{at - self.began:6.1f} s  {what}")


def _told(seen: Transition) -> str:
    before, after = (state.replace("_", "-") for state in seen.way)
    return f"gateway's breaker around {seen.component}: {before} → {after}"
