"""What an alert judges, as a tile or over time, with the limit and the colour of the alert."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stack.ops.dashboards import look, panels
from stack.ops.dashboards.panels import Meaning, Panel, Query
from stack.ops.dashboards.rules import Rules

# By the variable: what keeps of an alert's series those that are chosen.
_CHOSEN = {
    "service": 'on (service) up{service="$service"}',
    "component": 'on (component) circuit_breaker_state{component=~"$component"}',
    "llm": 'on (component) circuit_breaker_state{component="llm"}',
}


def measured(rules: Rules, alert: str, chosen: str = "") -> str:
    """Return what an alert measures, of what is chosen.

    Args:
        rules: the checkout's.
        alert: its name.
        chosen: the variable, service or component, or the component llm; everything if empty.
    """
    expression = rules.alert(alert).measured
    return f"{expression} and {_CHOSEN[chosen]}" if chosen else expression


def tile(
    rules: Rules,
    alert: str,
    meaning: Meaning,
    chosen: str = "",
    *,
    summary: str = "",
    total: str = "",
    names: Mapping[str, tuple[str, str]] | None = None,
    base: str = look.GOOD,
) -> Panel:
    """A tile that turns to the alert's colour where the alert's condition holds.

    Args:
        rules: the checkout's.
        alert: its name.
        meaning: what the panel says.
        chosen: as `measured` has it.
        summary: an aggregation of the series, such as max.
        total: as `lines` has it.
        names: words for values.
        base: its colour below the limit, and without a value.
    """
    expression = measured(rules, alert, chosen)
    expression = quiet_or(expression, total) if total else expression
    query = Query(f"{summary}({expression})" if summary else expression)
    thresholds = look.steps(limit(rules, alert), base=base)
    return panels.tile(meaning, query, thresholds=thresholds, names=names)


def lines(
    rules: Rules,
    alert: str,
    meaning: Meaning,
    legend: str,
    chosen: str = "",
    *,
    total: str = "",
    maximum: float | None = None,
) -> Panel:
    """The course of what an alert measures, with its limit as a dashed line.

    Args:
        rules: the checkout's.
        alert: its name.
        meaning: what the panel says.
        legend: of its series.
        chosen: as `measured` has it.
        total: where there are series of it, and none of what is measured, that is 0.
        maximum: of the axis.
    """
    expression = measured(rules, alert, chosen)
    return panels.lines(
        meaning,
        Query(
            quiet_or(expression, total) if total else expression,
            legend,
            exemplar=bool(re.search(r"_bucket\b", expression)),
        ),
        limits=[limit(rules, alert)],
        maximum=maximum,
    )


def counted(rules: Rules, alert: str, meaning: Meaning, what: str) -> Panel:
    """A tile with how many there are of what an alert is about, in its colour from the first on."""
    return panels.tile(
        meaning,
        Query(f"count({what}) or vector(0)"),
        thresholds=look.steps((1, look.SEVERITIES[rules.alert(alert).severity])),
        names=look.NOTHING,
    )


def targets_down(rules: Rules, text: str, link: tuple[str, str] | None = None) -> Panel:
    """How many targets do not answer."""
    meaning = Meaning("Targets down", text, look.COUNT, link=link)
    return counted(rules, "TargetDown", meaning, "up == 0")


def limit(rules: Rules, alert: str) -> tuple[float, str]:
    """Return where an alert fires, and the colour of its severity."""
    found = rules.alert(alert)
    assert found.limit is not None, f"{alert} compares with nothing"  # noqa: S101 -- of this code alone
    return found.limit, look.SEVERITIES[found.severity]


def quiet_or(expression: str, total: str) -> str:
    """Return an expression that is 0, not absent, while nothing of it has been counted."""
    # Without its own name a record is the same series as what stands in for it.
    return f"sum without () ({expression}) or 0 * {total}"
