"""The breaker against a reference that is written as plainly as its description."""

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stack.breaker import CircuitBreaker
from stack.breaker.config import MoreOptions
from stack.breaker.window import FAILED, SLOW, CountWindow
from tests.property.breaker_calls import Call, CancelledInTestError

THRESHOLD, WAIT, PROBES, CLOSES_AFTER, PROBE_TIME = 3, 10.0, 2, 2, 15.0
SLOW_AFTER, WINDOW, MINIMUM, RATIO = 3.0, 4, 3, 0.5


@dataclass
class UnderWay:
    """What the reference knows of a call."""

    call: Call
    period: int
    began: float


class BreakerAgainstReference(RuleBasedStateMachine):
    """Calls begin and end in any order, each on its own thread."""

    threshold = THRESHOLD
    options: ClassVar[MoreOptions] = {"half_open_max_calls": PROBES, "probe_seconds": PROBE_TIME}

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = CircuitBreaker(
            "model",
            self.threshold,
            WAIT,
            CLOSES_AFTER,
            clock=lambda: self.now,
            **self.options,
        )
        self.state = "closed"
        self.period = 0
        self.since = 0.0
        self.finished = self.rejected = 0
        self.under_way: list[UnderWay] = []
        self.forget()

    def forget(self) -> None:
        self.failures = self.probing = self.successes = 0
        self.recent: deque[tuple[bool, bool]] = deque(maxlen=WINDOW)

    def move(self, state: str) -> None:
        self.state, self.period = state, self.period + 1
        self.since = self.now
        self.forget()

    def has_reason_to_open(self) -> bool:
        return self.failures >= THRESHOLD

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call_begins(self) -> None:
        if self.state == "open" and self.now >= self.since + WAIT:
            self.move("half_open")
        hung = self.state == "half_open" and self.probing == PROBES
        if hung and self.now >= self.since + PROBE_TIME:
            self.move("half_open")
        allowed = self.state == "closed" or (self.state == "half_open" and self.probing < PROBES)
        call = Call(self.breaker)
        assert call.admitted == allowed
        if allowed:
            self.probing += self.state == "half_open"
            self.under_way.append(UnderWay(call, self.period, self.now))
        else:
            self.rejected += 1

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), failed=st.booleans())
    def call_ends(self, data: st.DataObject, failed: bool) -> None:
        self.end(self.take(data), failed)

    def end(self, ended: UnderWay, failed: bool) -> None:
        ended.call.end(ValueError() if failed else None)
        self.finished += 1
        if ended.period != self.period:
            return
        self.probing -= self.state == "half_open"
        if self.state == "closed":
            self.failures = self.failures + 1 if failed else 0
            slow = self.now - ended.began > SLOW_AFTER
            self.recent.append((failed, slow))
            if (failed or slow) and self.has_reason_to_open():
                self.move("open")
        elif self.state == "half_open":
            self.successes += not failed
            if failed:
                self.move("open")
            elif self.successes >= CLOSES_AFTER:
                self.move("closed")

    @rule()
    def comes_near_to_its_probes(self) -> None:
        while self.state == "closed":
            self.call_begins()
            self.end(self.under_way.pop(), failed=True)
        self.now += WAIT

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def call_is_cancelled(self, data: st.DataObject) -> None:
        ended = self.take(data)
        ended.call.end(CancelledInTestError())
        if ended.period == self.period and self.state == "half_open":
            self.probing -= 1

    @rule()
    def is_reset(self) -> None:
        self.breaker.reset()
        self.move("closed")
        self.finished = self.rejected = 0

    def take(self, data: st.DataObject) -> UnderWay:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @invariant()
    def states_agree(self) -> None:
        assert self.breaker.state.value == self.state

    @rule()
    def every_call_is_counted_once(self) -> None:
        stats = self.breaker.stats()
        assert stats.calls == stats.successes + stats.failures == self.finished
        assert stats.rejected == self.rejected

    def teardown(self) -> None:
        self.every_call_is_counted_once()
        for each in self.under_way:
            each.call.end(None)


class WindowAgainstReference(BreakerAgainstReference):
    """The same with ratios of failed and slow calls in a window of the last calls."""

    threshold = 10**6
    options: ClassVar[MoreOptions] = {
        **BreakerAgainstReference.options,
        "failure_ratio": RATIO,
        "slow_call_ratio": RATIO,
        "slow_call_seconds": SLOW_AFTER,
        "window_size": WINDOW,
        "minimum_calls": MINIMUM,
    }

    def has_reason_to_open(self) -> bool:
        calls = len(self.recent)
        failed = sum(failed for failed, _ in self.recent)
        slow = sum(slow for _, slow in self.recent)
        return calls >= MINIMUM and max(failed, slow) >= RATIO * calls


class TimedWindowAgainstReference(WindowAgainstReference):
    """The same with a window of the last seconds, here longer than any example lasts."""

    options: ClassVar[MoreOptions] = {**WindowAgainstReference.options, "window_seconds": 1e9}


@given(
    size=st.integers(1, 8),
    steps=st.lists(st.integers(0, 20) | st.sampled_from(["failed", "slow", "both"])),
)
def test_successes_taken_together_are_as_successes_taken_one_by_one(
    size: int, steps: list[int | str]
) -> None:
    window = CountWindow(size)
    reference: deque[int] = deque(maxlen=size)
    kinds = {"failed": FAILED, "slow": SLOW, "both": FAILED | SLOW}
    for step in steps:
        if isinstance(step, int):
            window.record_successes(step)
            reference.extend([0] * step)
        else:
            window.record(0.0, kinds[step])
            reference.append(kinds[step])
        assert len(window) == len(reference)
        assert window.failed == sum(bool(kind & FAILED) for kind in reference)
        assert window.slow == sum(bool(kind & SLOW) for kind in reference)


_settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConsecutive = BreakerAgainstReference.TestCase
TestWindow = WindowAgainstReference.TestCase
TestTimedWindow = TimedWindowAgainstReference.TestCase
TestConsecutive.settings = TestWindow.settings = TestTimedWindow.settings = _settings
