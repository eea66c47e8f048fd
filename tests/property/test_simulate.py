"""What holds for every setting, pattern and seed of the breaker's simulation."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.breaker import CircuitState
from stack.breaker.config import BreakerOptions
from stack.ops.simulate.patterns import PATTERNS, Scene
from stack.ops.simulate.run import Outcome, simulate

SEEDS = st.integers(0, 10_000)
RATIOS = st.floats(0.05, 1)
SHORT = Scene(rate=5, before=5, fault_seconds=20, after=20)
OPTIONS = st.fixed_dictionaries(
    {
        "failure_threshold": st.integers(1, 8),
        "timeout_seconds": st.floats(0, 20),
        "success_threshold": st.integers(1, 3),
        "half_open_max_calls": st.integers(1, 3),
        "backoff_multiplier": st.sampled_from([1.0, 2.0]),
        "minimum_calls": st.integers(1, 10),
    },
    optional={"failure_ratio": RATIOS, "probe_seconds": st.floats(0.5, 20)},
)


def not_closed(outcome: Outcome) -> float:
    """Return for how long calls were refused or only probed."""
    return outcome.seconds(CircuitState.OPEN) + outcome.seconds(CircuitState.HALF_OPEN)


def steady(ratio: float, after: float = 20.0) -> Scene:
    """Return a scene in which that share of calls fails."""
    return Scene(
        rate=5, before=5, fault_seconds=20, after=after, error_ratio=ratio, background_ratio=0
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PATTERNS)), OPTIONS, SEEDS)
def test_the_totals_add_up(pattern: str, options: BreakerOptions, seed: int) -> None:
    """Every call ends in one way; states follow each other without a gap, from 0 to the end."""
    outcome = simulate(pattern, SHORT, options, seed=seed)
    assert outcome.succeeded + outcome.failed + outcome.refused == outcome.calls
    assert outcome.spans[0].start == 0
    assert outcome.spans[-1].end == SHORT.end
    for one, other in pairwise(outcome.spans):
        assert one.end == other.start
        assert one.state != other.state
    together = sum(outcome.seconds(state) for state in CircuitState)
    assert abs(together - SHORT.end) < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PATTERNS)), OPTIONS, SEEDS)
def test_openings_are_those_of_the_time_line(
    pattern: str, options: BreakerOptions, seed: int
) -> None:
    """Each is a span of being open: after being closed, or after a probe failed."""
    outcome = simulate(pattern, SHORT, options, seed=seed)
    spans = outcome.spans
    opened = [(a.state, b.state) for a, b in pairwise(spans)]
    assert opened.count(("closed", "open")) == outcome.openings
    assert opened.count(("half_open", "open")) == outcome.failed_probes
    assert outcome.early_openings <= outcome.openings


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PATTERNS)), OPTIONS, SEEDS)
def test_the_same_seed_gives_the_same(pattern: str, options: BreakerOptions, seed: int) -> None:
    """To the last figure, jitter included."""
    first = simulate(pattern, SHORT, options, seed=seed)
    assert simulate(pattern, SHORT, options, seed=seed) == first


@settings(max_examples=60, deadline=None)
@given(RATIOS, RATIOS, OPTIONS, SEEDS)
def test_more_failures_open_it_no_later(
    one: float, other: float, options: BreakerOptions, seed: int
) -> None:
    """Until the first opening all that failed before fails still, at the same moments."""
    fewer, more = (
        simulate("steady", steady(ratio), options, seed=seed) for ratio in sorted((one, other))
    )
    if fewer.opened_after is not None:
        assert more.opened_after is not None
        assert more.opened_after <= fewer.opened_after


@settings(max_examples=60, deadline=None)
@given(RATIOS, OPTIONS, SEEDS)
def test_nothing_keeps_it_from_closing_for_longer_than_a_lasting_outage(
    ratio: float, options: BreakerOptions, seed: int
) -> None:
    """It opens first and never closes. Of two smaller shares the larger may close it sooner."""
    partial = simulate("steady", steady(ratio, after=0), options, seed=seed)
    total = simulate("outage", steady(ratio, after=0), options, seed=seed)
    assert not_closed(partial) <= not_closed(total) + 1e-9
