"""The circuit breaker opens, waits, probes and closes by its rules, whoever calls it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from stack.breaker import (
    CircuitBreaker,
    CircuitState,
    get_circuit_breaker,
)
from stack.breaker.events import BreakerCreated, CallFinished, Event, StateChanged, subscribe
from stack.errors import (
    CircuitBreakerConfigError,
    CircuitBreakerOpenError,
    ConfigurationError,
)
from tests.unit.breaker_parts import Clock, DownError, break_it, fail, make


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_opens_after_consecutive_failures_only(clock: Clock) -> None:
    """A success in between starts the count anew."""
    breaker = make(clock)
    break_it(breaker, 2)
    breaker.call(lambda: None)
    break_it(breaker, 2)
    assert breaker.state == CircuitState.CLOSED.value
    break_it(breaker, 1)
    assert breaker.state == CircuitState.OPEN.value


def test_an_open_breaker_makes_no_call(clock: Clock) -> None:
    """The error says which breaker, its state and when to come back."""
    breaker = make(clock)
    break_it(breaker)
    clock.now += 4
    called: list[int] = []
    with pytest.raises(CircuitBreakerOpenError) as refused:
        breaker.call(called.append, 1)
    assert called == []
    assert (refused.value.name, refused.value.state) == ("peer", "open")
    assert refused.value.retry_after == pytest.approx(6.0)


def test_probes_close_it_and_are_limited(clock: Clock) -> None:
    """After the wait one probe at a time passes; enough successes close it."""
    breaker = make(clock, success_threshold=2)
    break_it(breaker)
    clock.now += 10

    def probe() -> str:
        with pytest.raises(CircuitBreakerOpenError):
            breaker.call(lambda: None)
        return "done"

    assert breaker.call(probe) == "done"
    assert breaker.state == CircuitState.HALF_OPEN.value
    breaker.call(lambda: None)
    assert breaker.state == CircuitState.CLOSED.value


def test_a_failed_probe_opens_it_again(clock: Clock) -> None:
    """One failure is enough, and the wait begins anew."""
    breaker = make(clock)
    break_it(breaker)
    clock.now += 10
    break_it(breaker, 1)
    assert breaker.state == CircuitState.OPEN.value
    clock.now += 9
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: None)


def test_the_wait_grows_with_full_jitter_up_to_a_cap(clock: Clock) -> None:
    """Openings in a row wait longer, never longer than the cap."""
    breaker = make(clock, backoff_multiplier=2.0, max_timeout_seconds=25.0)
    waits = []
    for _ in range(6):
        break_it(breaker, 3 if breaker.state == CircuitState.CLOSED.value else 1)
        waits.append(breaker.stats().retry_after)
        clock.now += 25.0
    assert all(0 <= wait <= 25.0 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize("window_seconds", [None, 30.0])
def test_it_opens_on_a_ratio_of_failures(clock: Clock, window_seconds: float | None) -> None:
    """Not before the minimum number of calls, then as soon as the ratio is reached."""
    breaker = make(
        clock,
        failure_threshold=1000,
        failure_ratio=0.5,
        minimum_calls=4,
        window_size=10,
        window_seconds=window_seconds,
    )
    break_it(breaker, 1)
    breaker.call(lambda: None)
    break_it(breaker, 1)
    assert breaker.state == CircuitState.CLOSED.value
    break_it(breaker, 1)
    assert breaker.state == CircuitState.OPEN.value


def test_old_calls_leave_the_window(clock: Clock) -> None:
    """Failures older than the window no longer count."""
    breaker = make(
        clock, failure_threshold=1000, failure_ratio=0.5, minimum_calls=2, window_seconds=10.0
    )
    break_it(breaker, 1)
    clock.now += 11
    breaker.call(lambda: None)
    breaker.call(lambda: None)
    break_it(breaker, 1)
    assert breaker.state == CircuitState.CLOSED.value


def test_it_opens_on_slow_calls(clock: Clock) -> None:
    """Calls that succeed too late open it as well."""
    breaker = make(clock, slow_call_seconds=1.0, slow_call_ratio=1.0, minimum_calls=2)

    def slow() -> None:
        clock.now += 2

    breaker.call(slow)
    assert breaker.state == CircuitState.CLOSED.value
    breaker.call(slow)
    assert breaker.state == CircuitState.OPEN.value


def test_a_late_result_changes_no_state(clock: Clock) -> None:
    """A call that began before the last transition is counted, and decides nothing."""
    breaker = make(clock, failure_threshold=1, success_threshold=1)
    late = breaker._admit()
    break_it(breaker, 1)
    clock.now += 10
    breaker.refresh_state()
    breaker._succeeded(late, clock.now - 20.0)
    breaker._failed(late, clock.now - 20.0, DownError())
    assert breaker.state == CircuitState.HALF_OPEN.value
    assert breaker.stats().calls == 3


def test_a_late_cancellation_frees_no_place(clock: Clock) -> None:
    """A call that began before the last transition holds no probe's place."""
    breaker = make(clock, failure_threshold=1)
    late = breaker._admit()
    break_it(breaker, 1)
    clock.now += 10
    breaker._admit()
    breaker._abandon(late)
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: None)


def test_a_late_quick_success_does_not_enter_the_window(clock: Clock) -> None:
    """It began before the last transition, so the ratio does not look at it."""
    breaker = make(clock, failure_ratio=1.0, minimum_calls=2, failure_threshold=1000)
    late = breaker._admit()
    breaker.reset()
    breaker._returned(late, clock.now, None)
    break_it(breaker, 2)
    assert breaker.state == CircuitState.OPEN.value


def test_what_is_not_a_failure_does_not_open_it(clock: Clock) -> None:
    """Ignored exceptions, and results, count by their filters."""
    breaker = make(clock, failure_threshold=1, ignore=(KeyError,))
    with pytest.raises(KeyError):
        breaker.call(dict[str, int]().__getitem__, "missing")
    assert breaker.stats().successes == 1
    breaker = make(clock, failure_threshold=1, record=(lambda error: "bad" in str(error),))
    with pytest.raises(ValueError, match="good"):
        breaker.call(lambda: (_ for _ in ()).throw(ValueError("good")))
    assert breaker.state == CircuitState.CLOSED.value


def test_a_returned_value_can_be_a_failure(clock: Clock) -> None:
    """The caller gets the value, the breaker a failure."""
    breaker = make(clock, failure_threshold=1, failure_result=lambda value: value == 503)
    assert breaker.call(lambda: 503) == 503
    assert breaker.state == CircuitState.OPEN.value


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_an_interruption_is_neither_success_nor_failure(
    clock: Clock, interruption: type[BaseException]
) -> None:
    """It frees the probe's place and counts nowhere."""
    breaker = make(clock, failure_threshold=1)
    break_it(breaker, 1)
    clock.now += 10

    def interrupted() -> None:
        raise interruption

    for _ in range(3):
        with pytest.raises(interruption):
            breaker.call(interrupted)
    assert breaker.state == CircuitState.HALF_OPEN.value
    assert breaker.stats().calls == 1


def test_the_fallback_gets_the_exception(clock: Clock) -> None:
    """Both for a failed call and for a refused one."""
    seen: list[BaseException] = []

    def fallback(error: BaseException) -> str:
        seen.append(error)
        return "instead"

    breaker = make(clock, failure_threshold=1, fallback=fallback)
    assert breaker.call(fail) == "instead"
    assert breaker.call(fail) == "instead"
    assert [type(error) for error in seen] == [DownError, CircuitBreakerOpenError]


def test_decorators_guard_every_kind_of_function(clock: Clock) -> None:
    """Functions, coroutines, generators and async generators, with their names kept."""
    breaker = make(clock)

    @breaker
    def plain(x: int) -> int:
        return x

    @breaker
    async def coroutine(x: int) -> int:
        return x

    @breaker
    def generator(x: int) -> Iterator[int]:
        yield x

    @breaker
    async def async_generator(x: int) -> AsyncIterator[int]:
        yield x

    async def collect() -> list[int]:
        return [each async for each in async_generator(4)]

    assert plain(1) == 1
    assert asyncio.run(coroutine(2)) == 2
    assert list(generator(3)) == [3]
    assert asyncio.run(collect()) == [4]
    assert breaker.stats().successes == 4
    assert plain.__name__ == "plain"


def test_context_managers_nest_and_do_not_run_while_open(clock: Clock) -> None:
    """`with` and `async with` guard their block."""
    breaker = make(clock, failure_threshold=1)
    with breaker, breaker:
        pass
    assert breaker.stats().successes == 2
    with pytest.raises(DownError), breaker:
        fail()
    ran = False
    with pytest.raises(CircuitBreakerOpenError), breaker:
        ran = True
    assert not ran


def test_no_lock_is_held_while_user_code_runs(clock: Clock) -> None:
    """The guarded call, the fallback and listeners may use the breaker themselves."""
    states: list[str] = []

    def listen(_: Event) -> None:
        states.append(breaker.stats().state)
        raise RuntimeError("a failing listener breaks nothing")

    breaker = CircuitBreaker(
        "reentrant",
        clock=clock,
        failure_threshold=1,
        fallback=lambda _: breaker.stats().failures,
    )
    breaker.subscribe(listen)
    assert breaker.call(fail) == 1
    assert states


def test_events_tell_calls_and_transitions(clock: Clock) -> None:
    """Listeners get each call with its outcome and each change of state with its reason."""
    events: list[Event] = []
    breaker = CircuitBreaker(
        "told", clock=clock, failure_threshold=1, timeout_seconds=1.0, listeners=(events.append,)
    )
    with pytest.raises(DownError):
        breaker.call(fail)
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(fail)
    outcomes = [each.outcome for each in events if isinstance(each, CallFinished)]
    moves = [(e.from_state, e.to_state) for e in events if isinstance(e, StateChanged)]
    assert outcomes == ["failure", "rejected"]
    assert moves == [("closed", "open")]


def test_forcing_and_resetting(clock: Clock) -> None:
    """A forced breaker stays as it is until it is told otherwise."""
    breaker = make(clock)
    breaker.force_open()
    clock.now += 1e9
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: None)
    breaker.force_closed()
    breaker.call(lambda: None)
    breaker.reset()
    assert breaker.metrics["calls"] == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", 1.5),
        ("timeout_seconds", -1),
        ("timeout_seconds", float("nan")),
        ("failure_ratio", 0.0),
        ("failure_ratio", 1.1),
        ("backoff_multiplier", 0.5),
        ("window_seconds", 0),
        ("half_open_max_calls", True),
    ],
)
def test_bad_options_are_named(option: str, value: Any) -> None:
    """The message names the option and its value."""
    with pytest.raises(ConfigurationError, match=option):
        CircuitBreaker("bad", **{option: value})


def test_the_registry_gives_one_breaker_for_a_name() -> None:
    """The same name with another configuration is an error that names both."""
    one = get_circuit_breaker("registered", failure_threshold=3)
    assert get_circuit_breaker("registered", failure_threshold=3) is one
    with pytest.raises(CircuitBreakerConfigError, match="registered"):
        get_circuit_breaker("registered", failure_threshold=4)


def test_threads_lose_no_count() -> None:
    """Every call of every thread is counted once."""
    breaker = CircuitBreaker("threads", failure_threshold=10**9)

    def work() -> None:
        for number in range(500):
            with pytest.raises(DownError) if number % 2 else nullcontext():
                breaker.call(fail if number % 2 else lambda: None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = breaker.stats()
    assert (stats.calls, stats.successes, stats.failures) == (4000, 2000, 2000)


def test_a_registered_breaker_keeps_its_fallback() -> None:
    """Another fallback for the same name is an error, as another option is."""
    breaker = get_circuit_breaker("with fallback", fallback=str)

    assert get_circuit_breaker("with fallback") is breaker
    assert get_circuit_breaker("with fallback", fallback=str) is breaker
    with pytest.raises(CircuitBreakerConfigError, match="with fallback"):
        get_circuit_breaker("with fallback", fallback=repr)


def test_a_listener_may_ask_for_another_breaker() -> None:
    """Events of the registry are published where asking it again cannot block."""
    events: list[Event] = []

    def make_another(event: Event) -> None:
        events.append(event)
        if event == BreakerCreated("first of two", "closed"):
            get_circuit_breaker("second of two")

    unsubscribe = subscribe(make_another)
    try:
        get_circuit_breaker("first of two")
    finally:
        unsubscribe()

    assert BreakerCreated("second of two", "closed") in events
