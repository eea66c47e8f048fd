"""The breakers of two workers that share their state, against one plain description of it."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from stack.breaker import CircuitBreaker, shared
from tests.property.breaker_calls import Call, CancelledInTestError

THRESHOLD, WAIT, CLOSES_AFTER, PROBE_TIME = 2, 10.0, 2, 15.0
WORKERS = st.sampled_from([0, 1])


@dataclass
class Worker:
    """One worker's breaker, and what the description knows of it alone."""

    breaker: CircuitBreaker
    failures: int = 0
    finished: int = 0
    rejected: int = 0


@dataclass
class UnderWay:
    """A call that has begun."""

    call: Call
    worker: Worker
    period: int


@dataclass
class Common:
    """What is the same for all workers since the last transition."""

    state: str = "closed"
    until: float = 0.0
    prober: Worker | None = None
    probing: bool = False
    successes: int = 0


class WorkersAgainstReference(RuleBasedStateMachine):
    """Calls of both workers begin and end in any order; neither looks before it has to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.folder = tempfile.TemporaryDirectory()
        table = shared.Table(Path(self.folder.name) / "breakers")
        self.workers = [self.make_worker(table) for _ in range(2)]
        self.common = Common()
        self.period = 0
        self.under_way: list[UnderWay] = []

    def make_worker(self, table: shared.Table) -> Worker:
        breaker = CircuitBreaker(
            "model",
            THRESHOLD,
            WAIT,
            CLOSES_AFTER,
            clock=lambda: self.now,
            probe_seconds=PROBE_TIME,
        )
        link = table.link("model")
        assert link is not None
        breaker._machine.share(link)
        return Worker(breaker)

    def move(self, state: str, until: float = 0.0, prober: Worker | None = None) -> None:
        self.common = Common(state, until, prober)
        self.period += 1
        for worker in self.workers:
            worker.failures = 0

    def probe(self, worker: Worker) -> None:
        self.move("half_open", self.now + PROBE_TIME, worker)

    def allows(self, worker: Worker) -> bool:
        common = self.common
        if common.state == "closed":
            return True
        free = common.state == "half_open" and common.prober is worker and not common.probing
        if not free and self.now >= common.until:
            self.probe(worker)
            return True
        return free

    @rule(seconds=st.sampled_from([0.5, 10.0, 15.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=WORKERS)
    def call_begins(self, number: int) -> None:
        worker = self.workers[number]
        allowed = self.allows(worker)
        call = Call(worker.breaker)
        assert call.admitted == allowed
        if allowed:
            self.common.probing = self.common.state == "half_open"
            self.under_way.append(UnderWay(call, worker, self.period))
        else:
            worker.rejected += 1

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), failed=st.booleans())
    def call_ends(self, data: st.DataObject, failed: bool) -> None:
        self.end(self.take(data), failed)

    def end(self, ended: UnderWay, failed: bool) -> None:
        ended.call.end(ValueError() if failed else None)
        worker, common = ended.worker, self.common
        worker.finished += 1
        if ended.period != self.period:
            return
        common.probing = False
        worker.failures = worker.failures + 1 if failed else 0
        common.successes += not failed
        if failed and (common.state == "half_open" or worker.failures >= THRESHOLD):
            self.move("open", self.now + WAIT)
        elif common.state == "half_open" and common.successes >= CLOSES_AFTER:
            self.move("closed")

    @rule(number=WORKERS)
    def comes_near_to_its_probes(self, number: int) -> None:
        # A call that begins before the opening goes on beyond it.
        self.call_begins(number)
        while self.common.state == "closed":
            self.call_begins(number)
            self.end(self.under_way.pop(), failed=True)
        self.now += WAIT

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def call_is_cancelled(self, data: st.DataObject) -> None:
        ended = self.take(data)
        ended.call.end(CancelledInTestError())
        if ended.period == self.period:
            self.common.probing = False

    @rule(number=WORKERS, action=st.sampled_from(["reset", "force_closed", "force_open"]))
    def is_forced(self, number: int, action: str) -> None:
        worker = self.workers[number]
        getattr(worker.breaker, action)()
        if action == "reset":
            worker.finished = worker.rejected = 0
        opened = action == "force_open"
        self.move("open" if opened else "closed", math.inf if opened else 0.0)

    @rule(number=WORKERS)
    def is_refreshed(self, number: int) -> None:
        worker = self.workers[number]
        if self.common.state == "open" and self.now >= self.common.until:
            self.probe(worker)
        assert worker.breaker.refresh_state() == self.common.state

    @rule(number=WORKERS, counts_first=st.booleans())
    def is_looked_at(self, number: int, counts_first: bool) -> None:
        worker = self.workers[number]
        state = None if counts_first else worker.breaker.state
        stats = worker.breaker.stats()
        assert (state or stats.state) == stats.state == self.common.state
        assert stats.calls == stats.successes + stats.failures == worker.finished
        assert stats.rejected == worker.rejected

    def take(self, data: st.DataObject) -> UnderWay:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    def teardown(self) -> None:
        self.folder.cleanup()
        for number in range(2):
            self.is_looked_at(number, counts_first=False)
        for each in self.under_way:
            each.call.end(None)


TestWorkers = WorkersAgainstReference.TestCase
TestWorkers.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
