"""How long each step of an alert may take: what its rule's windows say, and a minute."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.durations import seconds
from stack.ops.rule_files import FOLDER, rules_in

_SLACK = 60.0
_NAME = re.compile(r"[a-z][a-zA-Z0-9_:]*")
_RANGE = re.compile(r"\[([0-9a-z]+)[:\]]")
# What a group of alerts waits for at most before it is sent, at full speed.
_GROUPING = 90.0


@dataclass(frozen=True, slots=True)
class Patience:
    """One alert's; all in seconds.

    Args:
        window: the longest range in its expression, and in the rules that record what it uses.
        lasts: its `for`.
        keeps: its `keep_firing_for`.
        grouping: what Alertmanager waits for.
    """

    window: float
    lasts: float
    keeps: float
    grouping: float

    @property
    def to_delivery(self) -> float:
        """Seconds within which the notification has to come after the fault."""
        return self.window + self.lasts + self.grouping + _SLACK

    @property
    def to_resolution(self) -> float:
        """Seconds within which the resolution has to come after the fault's end."""
        return self.window + self.keeps + 2 * self.grouping + _SLACK


def roughly(duration: float) -> str:
    """Return a duration in seconds as somebody says it who waits: 90 s, 20 minutes, 3.1 days."""
    for length, name in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if duration >= 2 * length:
            return f"{duration / length:.2g} {name}"
    return f"{duration:.0f} s"


def patience(plan: Plan) -> dict[str, Patience]:
    """Return each alert's patience, by name, as the stack's rendered rules have it.

    Raises:
        OpsError: the stack was not started with rendered files.
    """
    rules = [rule for _, rule in rules_in(plan.config / FOLDER)]
    windows = {rule["record"]: _longest(rule["expr"]) for rule in rules if "record" in rule}
    found = {
        rule["alert"]: Patience(
            max(
                _longest(rule["expr"]),
                *(windows.get(name, 0.0) for name in _NAME.findall(str(rule["expr"]))),
            ),
            seconds(rule.get("for", "0")),
            seconds(rule.get("keep_firing_for", "0")),
            _GROUPING / plan.speed,
        )
        for rule in rules
        if "alert" in rule
    }
    if not found:
        raise OpsError(f"there are no rules in {plan.config}; start the stack by `make up`")
    return found


def _longest(expression: object) -> float:
    return max((seconds(each) for each in _RANGE.findall(str(expression))), default=0.0)
