"""What counts as a failure, and which options are refused."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from stack.breaker import BreakerConfig, CircuitBreaker, CircuitState, get_circuit_breaker
from stack.errors import CircuitBreakerOpenError, ConfigurationError
from tests.unit.breaker_parts import Clock, DownError, break_it, fail, make


@pytest.fixture
def clock() -> Clock:
    return Clock()


def broken(_: object) -> bool:
    raise ZeroDivisionError


@pytest.mark.parametrize("option", [{"record": broken}, {"ignore": (broken,)}], ids=str)
def test_a_broken_filter_neither_hides_the_error_nor_keeps_the_probe(
    clock: Clock, option: dict[str, Any]
) -> None:
    """The caller gets his own exception, the breaker a failure, and the next probe may pass."""
    breaker = make(clock, failure_threshold=1, **option)
    for _ in range(3):
        with pytest.raises(DownError):
            breaker.call(fail)
        assert breaker.state is CircuitState.OPEN
        clock.now += 10


def test_a_broken_result_predicate_lets_the_result_pass(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the value, the breaker a failure; that is logged once."""
    breaker = make(clock, failure_threshold=1, failure_result=broken)
    for _ in range(3):
        assert breaker.call(lambda: 7) == 7
        assert breaker.state is CircuitState.OPEN
        clock.now += 10
    [line] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "'peer'" in line.getMessage()


@pytest.mark.parametrize("single", [DownError, lambda error: isinstance(error, DownError)])
def test_a_single_filter_needs_no_tuple(clock: Clock, single: Any) -> None:
    """It is taken as a tuple of one, also when configurations are compared."""
    breaker = make(clock, failure_threshold=1, record=single)
    break_it(breaker, 1)
    assert breaker.state is CircuitState.OPEN
    assert BreakerConfig(record=single) == BreakerConfig(record=(single,))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"record": ()}, None),
        ({"record": "ValueError"}, "record"),
        ({"ignore": (KeyError, 3)}, "ignore"),
        ({"ignore": [KeyError]}, "ignore"),
        ({"record": int}, "record"),
        ({"failure_result": 503}, "failure_result"),
        ({"window_size": 5}, "window_size=5.*minimum_calls=10.*raise"),
        ({"minimum_calls": 200}, "window_size=100.*minimum_calls=200.*lower"),
        ({"slow_call_ratio": 0.5}, "slow_call_ratio=0.5.*together with slow_call_seconds"),
        ({"slow_call_seconds": 2}, "slow_call_seconds=2.*together with slow_call_ratio"),
        ({"window_seconds": 9.0}, "window_seconds=9.0.*failure_ratio"),
        (
            {"timeout_seconds": 9, "max_timeout_seconds": 8},
            "max_timeout_seconds=8.*timeout_seconds=9",
        ),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"probe_seconds": 0}, "probe_seconds"),
        ({"fallback": "instead"}, "fallback"),
    ],
    ids=str,
)
def test_options_without_effect_are_refused(options: dict[str, Any], told: str | None) -> None:
    """The message names the option, the one it depends on, and the mend."""
    if told is None:
        CircuitBreaker("well configured", **options)
        return
    with pytest.raises(ConfigurationError, match=told):
        CircuitBreaker("badly configured", **options)


@pytest.mark.parametrize("make_one", [CircuitBreaker, get_circuit_breaker])
@pytest.mark.parametrize("name", [None, "", " ", 3])
def test_a_breaker_has_a_name(make_one: Callable[[Any], CircuitBreaker], name: Any) -> None:
    """Metrics, logs and errors need one."""
    with pytest.raises(ConfigurationError, match="name"):
        make_one(name)


def test_a_long_wait_is_kept(clock: Clock) -> None:
    """The cap of the wait is by default never below the wait itself."""
    breaker = make(clock, failure_threshold=1, timeout_seconds=3600.0)
    break_it(breaker, 1)
    assert breaker.stats().retry_after == 3600.0


@pytest.mark.parametrize("multiplier", [1.01, 1e6, 1e308])
def test_any_multiplier_grows_to_the_cap(clock: Clock, multiplier: float) -> None:
    """However many openings it takes, no number overflows."""
    breaker = make(clock, failure_threshold=1, backoff_multiplier=multiplier)
    breaker._machine._draw = lambda: 1.0
    waits = []
    for _ in range(500):
        break_it(breaker, 1)
        waits.append(breaker.stats().retry_after)
        clock.now += 600.0
    assert waits[:2] == pytest.approx([10.0, min(10.0 * multiplier, 600.0)])
    assert waits[-1] == pytest.approx(600.0)


def test_what_is_no_failure_needs_no_fallback(clock: Clock) -> None:
    """An ignored exception is the caller's own, as an exception that is not recorded."""
    breaker = make(clock, ignore=(KeyError,), record=(DownError,), fallback=lambda _: "instead")
    with pytest.raises(KeyError):
        breaker.call(dict[str, int]().__getitem__, "missing")
    with pytest.raises(ValueError, match="invalid"):
        breaker.call(int, "no number")
    assert breaker.call(fail) == "instead"


def test_a_hung_probe_gives_way_to_another(clock: Clock) -> None:
    """After `probe_seconds` a new half-open period begins, and the late result decides nothing."""
    breaker = make(clock, failure_threshold=1, success_threshold=1, probe_seconds=30.0)
    break_it(breaker, 1)
    clock.now += 10
    hung = breaker._admit()
    clock.now += 29
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: None)
    clock.now += 1
    other = breaker._admit()
    breaker._failed(hung, 0.0, DownError())
    assert breaker.state == CircuitState.HALF_OPEN.value
    breaker._succeeded(other, clock.now)
    assert breaker.state == CircuitState.CLOSED.value


def test_a_hung_probe_of_many_leaves_the_other_places(clock: Clock) -> None:
    """While a place is free the period goes on, however long it lasts."""
    breaker = make(clock, failure_threshold=1, success_threshold=2, half_open_max_calls=2)
    break_it(breaker, 1)
    clock.now += 10
    breaker._admit()
    breaker.call(lambda: None)
    clock.now += 1000
    breaker.call(lambda: None)
    assert breaker.state is CircuitState.CLOSED
