"""One objective: what is left of its error budget, and how fast it burns."""

from __future__ import annotations

from stack.ops.dashboards import look, panels, parts
from stack.ops.dashboards.board import Board, Variable, address
from stack.ops.dashboards.panels import Meaning, Query
from stack.ops.dashboards.rules import Rules
from stack.ops.durations import seconds
from stack.ops.slo.policy import POLICIES, WINDOW, Policy

_WHERE = '{slo="$slo"}'
_SLO = Variable("slo", "SLO", "slo:objective:ratio", first="gateway-availability")
_BUDGET = f"(1 - slo:objective:ratio{_WHERE})"
_LEFT = "slo:error_budget_remaining:ratio"
# What a policy's alert is by default; a spec may choose otherwise.
_COLORS = {"fast": look.BAD, "medium": look.BAD, "slow": look.WARNING, "steady": look.WARNING}


def build(_: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "slo",
        "SLO",
        "Is the objective met, how much may still go wrong, and for how long will that last?",
        variables=[_SLO],
        since="now-6h",
    )
    _top(board)
    board.add(_remaining(), _all(), height=8)
    board.row("How fast the error budget burns")
    board.add(*(_burn(name, policy) for name, policy in POLICIES.items()), height=10)
    board.row("Events")
    _events(board)
    return board


def _top(board: Board) -> None:
    burn = f"slo:sli_error:ratio_rate1h{_WHERE} / on (slo) {_BUDGET}"
    fast, steady = POLICIES["fast"].burn_rate, POLICIES["steady"].burn_rate
    window = f"{seconds(WINDOW):.0f}"
    board.add(
        panels.fact(
            Meaning("Objective", "The share of events that has to be good.", look.RATIO),
            Query(f"slo:objective:ratio{_WHERE}"),
        ),
        panels.dial(
            Meaning(
                "Error budget left",
                "What is left of the share of events that may be bad in 30 days; below 0 the "
                "objective is missed.",
                look.RATIO,
            ),
            Query(f"{_LEFT}{_WHERE}"),
            thresholds=look.steps((0, look.GOOD), base=look.BAD),
        ),
        panels.tile(
            Meaning(
                "Burn rate",
                "How many times too fast the budget burned in the last hour: at 1 it lasts for "
                "exactly 30 days.",
                look.NUMBER,
            ),
            Query(burn),
            thresholds=look.steps((steady, look.WARNING), (fast, look.BAD)),
        ),
        panels.tile(
            Meaning(
                "Lasts for",
                "When the rest of the budget is gone, if it goes on burning as in the last hour.",
                look.SECONDS,
                decimals=0,
            ),
            Query(
                f"max(clamp_min({window} * {_LEFT}{_WHERE} / on (slo) (({burn}) > 0), 0)) "
                f"or 0 * max({_LEFT}{_WHERE}) - 1"
            ),
            thresholds=look.steps(),
            names={"-1": ("nothing burns", look.GOOD), "0": ("gone", look.BAD)},
        ),
        panels.fact(
            Meaning(
                "Bad events",
                "Share of the events of 5 minutes that were bad.",
                look.RATIO,
                empty="no events",
            ),
            Query(f"slo:sli_error:ratio_rate5m{_WHERE}"),
        ),
        panels.fact(
            Meaning(
                "Events",
                "Events per second that count for the objective; when there are none at all "
                "SliMissing fires.",
                look.PER_SECOND,
                empty="not measured",
            ),
            Query(f"slo:sli_total:rate5m{_WHERE}"),
        ),
        height=4,
    )


def _remaining() -> panels.Panel:
    text = (
        "The error budget of 30 days over time, 1 being all of it. A step down is an outage; a "
        "slow way up, one that is going out of the 30 days."
    )
    return panels.lines(
        Meaning("Error budget left", text, look.RATIO),
        Query(f"{_LEFT}{_WHERE}", "{{slo}}"),
        limits=[(0, look.BAD)],
        negative=True,
        maximum=1,
    )


def _all() -> panels.Panel:
    return panels.bars(
        Meaning(
            "All objectives",
            "What is left of each error budget. Click one to see it here.",
            look.RATIO,
            link=("Show it", address("slo", "slo", slo="${__field.labels.slo}")),
        ),
        Query(_LEFT, "{{slo}}"),
        thresholds=look.steps((0, look.GOOD), base=look.BAD),
    )


def _burn(name: str, policy: Policy) -> panels.Panel:
    text = (
        f"Burn rate over {policy.long} and {policy.short}: while both are above the line "
        f"{policy.alert} fires. The short window ends it soon after the errors end."
    )
    return panels.lines(
        Meaning(f"{policy.long} and {policy.short}", text, look.NUMBER),
        *(
            Query(f"slo:sli_error:ratio_rate{window}{_WHERE} / on (slo) {_BUDGET}", window)
            for window in (policy.long, policy.short)
        ),
        limits=[(policy.burn_rate, _COLORS[name])],
    )


def _events(board: Board) -> None:
    board.add(
        panels.lines(
            Meaning(
                "Events",
                "Events per second that count for the objective.",
                look.PER_SECOND,
                empty="not measured",
            ),
            Query(f"slo:sli_total:rate5m{_WHERE}", "all"),
            Query(f"slo:sli_error:rate5m{_WHERE}", "failed"),
        ),
        panels.lines(
            Meaning("Bad events", "Share of the events that were bad.", look.RATIO),
            Query(f"slo:sli_error:ratio_rate5m{_WHERE}", "over 5m"),
            Query(f"slo:sli_error:ratio_rate1h{_WHERE}", "over 1h"),
            Query(_BUDGET, "allowed"),
        ),
        parts.firing_table('slo="$slo"'),
        height=8,
    )
