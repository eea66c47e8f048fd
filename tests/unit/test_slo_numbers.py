"""Windows, burn rates and times are those of the SRE workbook, "Alerting on SLOs"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.ops.durations import seconds
from stack.ops.slo.policy import POLICIES, Policy

BUDGETS = st.floats(0.0001, 0.06)
RATIOS = st.floats(0.0001, 1)
ALL = st.sampled_from(list(POLICIES.values()))


@pytest.mark.parametrize(
    ("share", "long", "burn_rate"),
    [(0.02, "1h", 14.4), (0.05, "6h", 6), (0.10, "1d", 3), (0.10, "3d", 1)],
)
def test_burn_rates_follow_from_the_share_of_the_budget(
    share: float, long: str, burn_rate: float
) -> None:
    """The workbook's table: 2 % in an hour, 5 % in six, 10 % in three days, of 30 days."""
    assert Policy("any", "5m", long, share).burn_rate == burn_rate


def test_the_policies_are_those_of_the_workbook() -> None:
    """A short window is a twelfth of the long one, as the workbook advises."""
    found = [(p.alert, p.short, p.long, p.burn_rate) for p in POLICIES.values()]
    assert found == [
        ("ErrorBudgetBurnFast", "5m", "1h", 14.4),
        ("ErrorBudgetBurnMedium", "30m", "6h", 6),
        ("ErrorBudgetBurnSlow", "2h", "1d", 3),
        ("ErrorBudgetBurnSteady", "6h", "3d", 1),
    ]
    for policy in POLICIES.values():
        assert seconds(policy.long) / seconds(policy.short) == 12


@pytest.mark.parametrize(
    ("name", "budget", "errors", "detected"),
    [
        # An objective of 99.9 %, as in the workbook: 1 h × 14.4 × 0.001 / 1 = 51.84 s.
        ("fast", 0.001, 1.0, 51.84),
        ("fast", 0.001, 0.1, 518.4),
        ("fast", 0.001, 0.0144, None),
        ("medium", 0.001, 1.0, 129.6),
        ("medium", 0.001, 0.0061, 21_245.9),
        ("slow", 0.005, 1.0, 1296),
        ("steady", 0.001, 1.0, 259.2),
        ("steady", 0.001, 0.002, 129_600),
        ("steady", 0.001, 0.001, None),
    ],
)
def test_times_to_detect(name: str, budget: float, errors: float, detected: float | None) -> None:
    """(1 - objective) × long window × burn rate / error ratio, unless it stays below."""
    found = POLICIES[name].time_to_detect(budget, errors)
    assert found == (None if detected is None else pytest.approx(detected, rel=1e-5))


def test_times_to_reset() -> None:
    """Of an outage the short window forgets enough in the most of its length."""
    assert POLICIES["fast"].time_to_reset(0.005) == pytest.approx(300 * (1 - 0.072))
    assert POLICIES["steady"].time_to_reset(0.05) == pytest.approx(6 * 3600 * 0.95)


@given(ALL, BUDGETS, RATIOS)
def test_what_is_burnt_until_it_fires_is_the_share(
    policy: Policy, budget: float, errors: float
) -> None:
    """Whatever the objective and the error ratio: that is what the share means."""
    detected = policy.time_to_detect(budget, errors)
    if detected is None:
        assert errors <= policy.threshold(budget)
    else:
        assert errors * detected / (budget * seconds("30d")) == pytest.approx(
            policy.share, rel=1e-3
        )
        assert 0 <= detected <= seconds(policy.long)


@given(ALL, BUDGETS, RATIOS, RATIOS)
def test_more_errors_are_noticed_sooner(
    policy: Policy, budget: float, some: float, more: float
) -> None:
    """And what is noticed at a low ratio is noticed at a high one."""
    some, more = sorted((some, more))
    slow, fast = (policy.time_to_detect(budget, errors) for errors in (some, more))
    if slow is not None:
        assert fast is not None
        assert fast <= slow
