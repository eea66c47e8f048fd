"""Running the breaker against a pattern of failures, and what came of it."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from stack.breaker import CircuitBreaker, CircuitState
from stack.breaker.config import BreakerOptions
from stack.breaker.events import Event, StateChanged
from stack.breaker.guard import Guard
from stack.errors import CircuitBreakerOpenError
from stack.ops.simulate.patterns import PATTERNS, Call, Scene, calls


@dataclass(frozen=True, slots=True)
class Span:
    """A state and when it lasted, in seconds since the beginning."""

    state: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one setting made of one pattern; times in seconds.

    Args:
        pattern: its name.
        setting: what tells the setting from the others.
        calls: that somebody wanted to make: `succeeded`, `failed` and `refused` add up to it.
        succeeded: made, and well.
        failed: made, and not: these failures reached the caller.
        refused: not made.
        waited: what the calls that were made took, all together.
        openings: times that it went from closed to open.
        failed_probes: times that it went from half-open to open.
        early_openings: openings before the fault.
        opened_after: from the fault's beginning to the first opening in it; None if there was none.
        closed_after: from the fault's end to the closing; 0 if it is closed then, None if it is
            not closed at the end.
        spans: its states, one after the other, without gaps.
    """

    pattern: str
    setting: str
    calls: int
    succeeded: int
    failed: int
    refused: int
    waited: float
    openings: int
    failed_probes: int
    early_openings: int
    opened_after: float | None
    closed_after: float | None
    spans: tuple[Span, ...]

    def seconds(self, state: CircuitState) -> float:
        """Return how long it was in a state."""
        return sum(each.end - each.start for each in self.spans if each.state == state.value)


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    from_state: str
    to_state: str


class _Unheard(CircuitBreaker):
    """The breaker, but for its simulated calls being in no metric, span or log of this process."""

    def _publish(self, *events: Event) -> None:
        for event in events:
            self._events.publish(event)


class _Simulation:
    """One breaker whose time is that of the next event."""

    def __init__(self, scene: Scene, pattern: str, options: BreakerOptions) -> None:
        self.now = 0.0
        self.changes: list[_Change] = []
        self.succeeded = self.failed = self.refused = 0
        self.waited = 0.0
        self._scene = scene
        self._pattern = PATTERNS[pattern]
        self._under_way: list[tuple[float, int, Guard, bool]] = []
        self._breaker = _Unheard(
            "simulated", clock=lambda: self.now, listeners=(self._take_note,), **options
        )

    def run(self, wanted: Sequence[Call]) -> None:
        for number, call in enumerate(wanted):
            self._end_those_before(call.at)
            self.now = call.at
            self._begin(number, call)
        self._end_those_before(float("inf"))

    def _begin(self, number: int, call: Call) -> None:
        guard = self._breaker.guard()
        try:
            guard.__enter__()
        except CircuitBreakerOpenError:
            self.refused += 1
            return
        seconds = call.pace * self._pattern.seconds(self._scene, call.at)
        fails = call.luck < self._pattern.failing(self._scene, call.at)
        heapq.heappush(self._under_way, (call.at + seconds, number, guard, fails))
        self.waited += seconds

    def _end_those_before(self, moment: float) -> None:
        while self._under_way and self._under_way[0][0] <= moment:
            self.now, _, guard, fails = heapq.heappop(self._under_way)
            error = ConnectionError("simulated") if fails else None
            guard.__exit__(type(error) if error else None, error, None)
            self.failed += fails
            self.succeeded += not fails

    def _take_note(self, event: Event) -> None:
        # What calls that were under way at the end do to it is no longer looked at.
        if isinstance(event, StateChanged) and self.now < self._scene.end:
            self.changes.append(_Change(self.now, event.from_state, event.to_state))


def simulate(
    pattern: str, scene: Scene, options: BreakerOptions, *, seed: int = 1, setting: str = ""
) -> Outcome:
    """Run a breaker with these options against a pattern.

    Args:
        pattern: a name of `PATTERNS`.
        scene: what is called, how often, and how it fails.
        options: the breaker's, as the library names them.
        seed: the same gives the same calls, failures and jitter.
        setting: what the outcome calls these options.

    Raises:
        ConfigurationError: an option is out of bounds.
    """
    wanted = calls(scene, seed)
    with _repeatable(seed):
        running = _Simulation(scene, pattern, options)
        running.run(wanted)
    spans = _spans(running.changes, scene.end)
    opened = [each.at for each in running.changes if each.to_state == CircuitState.OPEN]
    from_closed = [each for each in running.changes if each.from_state == CircuitState.CLOSED]
    return Outcome(
        pattern,
        setting,
        len(wanted),
        running.succeeded,
        running.failed,
        running.refused,
        running.waited,
        len(from_closed),
        len(opened) - len(from_closed),
        sum(each.at < scene.before for each in from_closed),
        next((at - scene.before for at in opened if scene.before <= at < scene.recovery), None),
        _closed_after(spans, scene.recovery),
        spans,
    )


def _spans(changes: Sequence[_Change], end: float) -> tuple[Span, ...]:
    starts = [_Change(0.0, "", CircuitState.CLOSED), *changes]
    ends = [*(each.at for each in changes), end]
    return tuple(
        Span(str(start.to_state), start.at, until)
        for start, until in zip(starts, ends, strict=True)
    )


def _closed_after(spans: Sequence[Span], recovery: float) -> float | None:
    last = spans[-1]
    if last.state != CircuitState.CLOSED:
        return None
    closed = next(
        (each for each in spans if each.state == CircuitState.CLOSED and each.end > recovery), last
    )
    return max(0.0, closed.start - recovery)


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """Have jitter repeat itself: the breaker draws it from the module's own generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
