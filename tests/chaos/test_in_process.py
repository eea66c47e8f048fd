"""The seven scenarios on an injected clock: every count, state and moment is exact.

Their twins on the running services: stack/ops/chaos/scenarios.py.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stack.breaker import CircuitBreaker
from stack.errors import CircuitBreakerOpenError
from stack.ops.chaos.counts import Counts
from tests.chaos.parts import WAIT, DownError, Service, World, fallback, together


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A clock at 0, and nothing counted."""
    return World(monkeypatch)


def rising(shares: tuple[float, ...], calls: int) -> Iterator[bool]:
    """Say of each call whether it fails: `calls` of each share, its failures evenly spread."""
    for share in shares:
        for number in range(calls):
            yield int((number + 1) * share + 1e-9) > int(number * share + 1e-9)


def at_half_of_ten(fails: list[bool]) -> int:
    """Return the first call after which at least half of the last ten have failed."""
    window: deque[bool] = deque(maxlen=10)
    for number, failed in enumerate(fails):
        window.append(failed)
        if len(window) == 10 and sum(window) >= 5:
            return number
    raise AssertionError


def at_five_in_a_row(fails: list[bool]) -> int:
    """Return the first call that is the fifth failure in a row."""
    return next(n for n in range(len(fails)) if n >= 4 and all(fails[n - 4 : n + 1]))


@pytest.mark.parametrize(
    ("options", "expected", "reason"),
    [
        (
            {"failure_ratio": 0.5, "window_size": 10, "failure_threshold": 1000},
            at_half_of_ten,
            "failure ratio 0.50",
        ),
        ({"failure_threshold": 5}, at_five_in_a_row, "5 consecutive failures"),
    ],
    ids=["by ratio", "in a row"],
)
def test_1_gradual_failure(
    world: World, options: dict[str, Any], expected: Callable[[list[bool]], int], reason: str
) -> None:
    """While 10, 20 … 100 % fail, it opens at the very call at which its threshold is met."""
    fails = list(rising(tuple(n / 10 for n in range(1, 11)), 20))
    opens = expected(fails)
    breaker, service = world.breaker("llm", fallback=fallback, **options), Service(world.clock)
    answers = []
    for failed in fails[: opens + 5]:
        service.failing = failed
        answers.append(breaker.call(service))
        world.clock.now += 1

    assert world.time_line == [(float(opens), "llm", "closed", "open")]
    assert world.reasons == [reason]
    assert service.reached == opens + 1, "nothing reaches it afterwards"
    failures = sum(fails[: opens + 1])
    assert world.calls("llm") == {
        "success": opens + 1 - failures,
        "failure": failures,
        "rejected": 4,
    }
    assert world.state("llm") == "open"
    assert answers.count("fallback") == failures + 4, "nobody sees an error"


def test_2_transient_outage(world: World) -> None:
    """Four seconds of outage: open at the third failure, closed again by the first two probes."""
    breaker, service = world.breaker("llm", fallback=fallback), Service(world.clock)
    answers = {}
    for second in range(25):
        world.clock.now = float(second)
        service.failing = 5 <= second < 9
        answers[second] = breaker.call(service)

    assert world.time_line == [
        (7.0, "llm", "closed", "open"),
        (17.0, "llm", "open", "half_open"),
        (18.0, "llm", "half_open", "closed"),
    ]
    assert {second for second, answer in answers.items() if answer == "fallback"} == {*range(5, 17)}
    assert world.calls("llm") == {"success": 5 + 8, "failure": 3, "rejected": 9}
    assert (world.transitions("llm"), world.state("llm")) == (3, "closed")


def test_3_concurrent_failures(world: World) -> None:
    """50 threads × 20 calls: one opening; each call is made once or refused once."""
    breaker, service = world.breaker("llm", fallback=fallback), Service(world.clock)
    service.failing = True
    answers: Counter[str] = Counter()

    def call() -> None:
        mine = [breaker.call(service) for _ in range(20)]
        answers.update(mine)

    together(50, call)
    calls = world.calls("llm")
    assert answers == {"fallback": 1000}
    assert world.time_line == [(0.0, "llm", "closed", "open")]
    assert calls["success"] == 0
    assert calls["failure"] + calls["rejected"] == 1000
    # Three open it; the others of that time were under way already, one a thread at most.
    assert 3 <= calls["failure"] <= 3 + 49
    stats = breaker.stats()
    assert (stats.failures, stats.rejected) == (calls["failure"], calls["rejected"])


@pytest.mark.parametrize("instead", [fallback, None], ids=["with a fallback", "without"])
def test_4_cascade(world: World, instead: Callable[[BaseException], str] | None) -> None:
    """A calls B, B calls C, C fails: only B's breaker around C opens, and it closes again."""
    around_b = world.breaker("b", fallback=fallback, failure_threshold=5)
    around_c, c = world.breaker("c", fallback=instead), Service(world.clock)
    answers = []

    def b() -> str:
        return f"b: {around_c.call(c)}"

    for second in range(40):
        world.clock.now = float(second)
        c.failing = second < 20
        try:
            answers.append(around_b.call(b))
        except CircuitBreakerOpenError as refused:
            # Of the inner breaker: to the outer one no failure, hence no reason for its fallback.
            answers.append(f"{refused.name} is refused")

    assert world.time_line == [
        (2.0, "c", "closed", "open"),
        (12.0, "c", "open", "half_open"),
        (12.0, "c", "half_open", "open"),
        (22.0, "c", "open", "half_open"),
        (23.0, "c", "half_open", "closed"),
    ]
    assert world.state("b") == "closed"
    assert world.calls("c") == {"success": 18, "failure": 4, "rejected": 18}
    assert answers[22:] == ["b: answer"] * 18
    if instead:
        assert answers[:22] == ["b: fallback"] * 22
        assert world.calls("b") == {"success": 40, "failure": 0, "rejected": 0}
    else:
        assert Counter(answers[:22]) == {"fallback": 4, "c is refused": 18}
        assert world.calls("b") == {"success": 36, "failure": 4, "rejected": 0}


def test_4_without_a_breaker_in_the_middle_the_cascade_goes_on(world: World) -> None:
    """What stops it is B's breaker: without it C's failures open A's."""
    around_b, c = world.breaker("b", fallback=fallback), Service(world.clock)
    c.failing = True
    assert [around_b.call(c) for _ in range(5)] == ["fallback"] * 5
    assert world.time_line == [(0.0, "b", "closed", "open")]


def test_5_latency_spike(world: World) -> None:
    """Slow answers open it at their share; those refused after that take no time at all."""
    breaker = world.breaker(
        "llm",
        fallback=fallback,
        slow_call_seconds=1.0,
        slow_call_ratio=0.5,
        window_size=10,
    )
    service = Service(world.clock)

    def timed() -> float:
        began = world.clock.now
        breaker.call(service)
        return round(world.clock.now - began, 3)

    service.seconds = 0.1
    before = [timed() for _ in range(10)]
    service.seconds = 4.0
    spike = [timed() for _ in range(20)]
    service.seconds = 0.1
    world.clock.now += WAIT
    after = [timed() for _ in range(3)]

    assert before == [0.1] * 10
    assert spike == [4.0] * 5 + [0.0] * 15
    assert after == [0.1] * 3
    moments = [(round(at, 3), *rest) for at, *rest in world.time_line]
    assert moments == [
        (21.0, "llm", "closed", "open"),
        (31.0, "llm", "open", "half_open"),
        (31.2, "llm", "half_open", "closed"),
    ]
    assert world.reasons[0] == "slow call ratio 0.50"
    assert world.calls("llm") == {"success": 18, "failure": 0, "rejected": 15}
    latencies = world.collector.get_latency_percentiles("llm", (50, 95))
    assert latencies == pytest.approx({"p50": 0.1, "p95": 4.0})


def test_6_state_transitions(world: World) -> None:
    """Every way between the states, by calls and by hand, each counted once."""
    breaker, service = world.breaker("llm"), Service(world.clock)

    def called(seconds: float, *, fails: bool) -> type[Exception] | None:
        world.clock.now += seconds
        service.failing = fails
        try:
            breaker.call(service)
        except (DownError, CircuitBreakerOpenError) as error:
            return type(error)
        return None

    assert [called(1, fails=True) for _ in range(3)] == [DownError] * 3
    assert called(WAIT - 0.1, fails=False) is CircuitBreakerOpenError, "just before the probe"
    assert called(0.1, fails=True) is DownError, "a probe that fails"
    assert [called(WAIT, fails=False), called(1, fails=False)] == [None, None]
    breaker.force_open()
    assert called(1000 * WAIT, fails=False) is CircuitBreakerOpenError, "until further notice"
    breaker.force_closed()
    assert [called(1, fails=True) for _ in range(3)] == [DownError] * 3
    world.clock.now += WAIT
    assert breaker.refresh_state() == "half_open"
    breaker.reset()

    ways = [(before, after) for _, _, before, after in world.time_line]
    assert list(zip(ways, world.reasons, strict=True)) == [
        (("closed", "open"), "3 consecutive failures"),
        (("open", "half_open"), "wait is over"),
        (("half_open", "open"), "a probe failed"),
        (("open", "half_open"), "wait is over"),
        (("half_open", "closed"), "2 probes succeeded"),
        (("closed", "open"), "forced open"),
        (("open", "closed"), "forced closed"),
        (("closed", "open"), "3 consecutive failures"),
        (("open", "half_open"), "wait is over"),
        (("half_open", "closed"), "reset"),
    ]
    assert transitions(world.series(), "llm") == Counter(ways)
    assert (breaker.state, world.state("llm")) == ("closed", "closed")


def transitions(counts: Counts, component: str) -> dict[tuple[str, str], float]:
    """Return the changes of state that a scrape finds, by their ways."""
    return {
        (labels["from_state"], labels["to_state"]): value
        for name, labels, value in counts.samples
        if name == "circuit_breaker_transitions_total"
        and labels["component"] == component
        and value
    }


def test_7_concurrent_records(world: World) -> None:
    """20 threads × 100 records: 2,000 are counted, in each series that a record has."""
    breaker: CircuitBreaker = world.breaker("llm", failure_threshold=10_000)
    service, collector = Service(world.clock), world.collector

    def record() -> None:
        for number in range(100):
            breaker.call(service)
            collector.record_circuit_breaker_call("store", 0.25, success=number % 4 != 0)
            collector.record_circuit_breaker_rejection("store")
            collector.record_log_entry("store", "warning")

    together(20, record)
    counts = world.series()
    assert world.calls("llm") == {"success": 2000, "failure": 0, "rejected": 0}
    assert world.calls("store") == {"success": 1500, "failure": 500, "rejected": 2000}
    assert counts.total("log_entries_total", component="store", level="warning") == 2000
    for component in ("llm", "store"):
        name = "circuit_breaker_call_duration_seconds"
        assert counts.total(f"{name}_count", component=component) == 2000
        assert counts.total(f"{name}_bucket", component=component, le="+Inf") == 2000
    assert counts.total(f"{name}_sum", component="store") == 500.0
    assert breaker.stats().successes == 2000
    assert collector.get_failure_rate("store") == pytest.approx(25.0)
