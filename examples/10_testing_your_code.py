"""Tests of code that uses the library: a breaker, metrics, logs and time, without a sleep.

Shows: a client with a breaker, and four tests of it with pytest's own means. The clock is an
argument, so a minute passes when the test says so.

Look for: each test names a component of its own, for metrics are the whole process's; `capsys`
has the log lines; no test waits.

You want it when you write such a client. Run it as a program or with `pytest`; for tests with a
real Prometheus, Alertmanager or Jaeger see docs/testing.md.
"""

import json
import time
from collections.abc import Callable
from unittest.mock import Mock

import pytest

import stack


class Prices:
    """The code under test: asks for a price, and stops asking a service that is down."""

    def __init__(
        self, ask: Callable[[str], int], name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self.breaker = stack.CircuitBreaker(
            name, failure_threshold=3, timeout_seconds=60.0, success_threshold=1, clock=clock
        )

    def of(self, item: str) -> int | None:
        """Return the price in cents; None when it cannot be had now."""
        try:
            return self.breaker.call(self._ask, item)
        except (ConnectionError, stack.CircuitBreakerOpenError) as error:
            stack.log_event("no_price", level="warning", item=item, why=type(error).__name__)
            return None


down = Mock(side_effect=ConnectionError)


@pytest.fixture(autouse=True)
def service() -> None:
    """Connect breakers with metrics and logs, as the service does when it starts."""
    stack.setup("shop", settings=stack.Settings(traces_exporter="none"))


def test_the_breaker_opens_after_three_failures() -> None:
    """Two failures are bad luck, three are an outage."""
    prices = Prices(down, "prices-open")
    states = []
    for _ in range(3):
        prices.of("lamp")
        states.append(prices.breaker.state.value)
    assert states == ["closed", "closed", "open"]


def test_it_asks_again_after_a_minute() -> None:
    """Not a second earlier; one good answer closes the breaker."""
    clock, ask = Mock(return_value=0.0), Mock(side_effect=[ConnectionError] * 3 + [1990])
    prices = Prices(ask, "prices-timed", clock)
    assert [prices.of("lamp") for _ in range(3)] == [None] * 3
    clock.return_value = 59.0
    assert prices.of("lamp") is None
    clock.return_value = 60.0
    assert prices.of("lamp") == 1990
    assert (ask.call_count, prices.breaker.state.value) == (4, "closed")


def test_eight_of_ten_calls_succeeded() -> None:
    """The collector counts what the breaker let through."""
    ask = Mock(side_effect=[100, ConnectionError, 100, 100, ConnectionError, *[100] * 5])
    prices = Prices(ask, "prices-counted")
    for _ in range(10):
        prices.of("lamp")
    summary = stack.get_prometheus_collector().get_metrics_summary("prices-counted")
    assert (summary["successful_calls"], summary["total_calls"]) == (8, 10)


def test_a_missing_price_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """The line says which item, and why."""
    Prices(down, "prices-logged").of("lamp")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = stack.filter_logs(lines, level="warning", event_type="no_price")
    assert (line["item"], line["why"]) == ("lamp", "ConnectionError")


if __name__ == "__main__":
    print("Four tests of a client, by pytest:", flush=True)
    raise SystemExit(pytest.main([__file__, "-v", "--no-header"]))
