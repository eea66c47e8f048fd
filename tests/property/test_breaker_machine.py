"""The breaker against a reference that is written as plainly as its description."""

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stack.breaker import CircuitBreaker
from stack.breaker.state import Permit
from stack.errors import CircuitBreakerOpenError

THRESHOLD, WAIT, PROBES, CLOSES_AFTER = 3, 10.0, 2, 2


class BreakerAgainstReference(RuleBasedStateMachine):
    """Calls begin and end in any order, as those of many threads do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = CircuitBreaker(
            "model",
            failure_threshold=THRESHOLD,
            timeout_seconds=WAIT,
            success_threshold=CLOSES_AFTER,
            half_open_max_calls=PROBES,
            clock=lambda: self.now,
        )
        self.state = "closed"
        self.period = 0
        self.failures = self.probing = self.successes = 0
        self.opened_at = 0.0
        self.admitted = self.finished = self.rejected = 0
        self.under_way: list[tuple[Permit, int]] = []

    def move(self, state: str) -> None:
        self.state, self.period = state, self.period + 1
        self.failures = self.probing = self.successes = 0
        self.opened_at = self.now

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call_begins(self) -> None:
        if self.state == "open" and self.now >= self.opened_at + WAIT:
            self.move("half_open")
        allowed = self.state == "closed" or (self.state == "half_open" and self.probing < PROBES)
        permit = None
        with suppress(CircuitBreakerOpenError):
            permit = self.breaker._admit()
        assert (permit is not None) == allowed
        if permit is None:
            self.rejected += 1
        else:
            self.probing += self.state == "half_open"
            self.admitted += 1
            self.under_way.append((permit, self.period))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), failed=st.booleans())
    def call_ends(self, data: st.DataObject, failed: bool) -> None:
        permit, period = self.take(data)
        if failed:
            self.breaker._failed(permit, self.now, ValueError())
        else:
            self.breaker._succeeded(permit, self.now)
        self.finished += 1
        if period != self.period:
            return
        self.probing -= self.state == "half_open"
        if self.state == "closed":
            self.failures = self.failures + 1 if failed else 0
            if self.failures >= THRESHOLD:
                self.move("open")
        elif self.state == "half_open":
            self.successes += not failed
            if failed:
                self.move("open")
            elif self.successes >= CLOSES_AFTER:
                self.move("closed")

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def call_is_cancelled(self, data: st.DataObject) -> None:
        permit, period = self.take(data)
        self.breaker._abandon(permit)
        self.admitted -= 1
        if period == self.period and self.state == "half_open":
            self.probing -= 1

    def take(self, data: st.DataObject) -> tuple[Permit, int]:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @invariant()
    def states_agree(self) -> None:
        assert self.breaker.state.value == self.state

    @invariant()
    def every_call_is_counted_once(self) -> None:
        stats = self.breaker.stats()
        assert stats.calls == stats.successes + stats.failures == self.finished
        assert stats.rejected == self.rejected
        assert self.admitted == self.finished + len(self.under_way)


TestBreaker = BreakerAgainstReference.TestCase
TestBreaker.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
