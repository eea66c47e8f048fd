"""What dashboards take from the rules: what an alert measures, and above which value it fires."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops.rule_files import FOLDER, rules_in

_COMPARISON = re.compile(r"\s*(==|>=|<=|>|<)\s*")


@dataclass(frozen=True, slots=True)
class Alert:
    """A hand-written alert.

    Args:
        name: of the alert.
        severity: page, ticket or info.
        measured: the left side of its first comparison; all of the expression if it has none.
        limit: what that is compared with; None if with nothing.
    """

    name: str
    severity: str
    measured: str
    limit: float | None


class Rules:
    """The rules of a checkout.

    Raises:
        OpsError: a threshold or an alert that is asked for is not there.
    """

    def __init__(self, root: Path) -> None:
        rules = [rule for _, rule in rules_in(root / FOLDER)]
        self._limits = {
            rule["record"]: float(rule["expr"].removeprefix("vector(").removesuffix(")"))
            for rule in rules
            if rule.get("record", "").startswith("threshold:")
        }
        self._alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}

    def limit(self, threshold: str) -> float:
        """Return the value of a `threshold:…` rule, by its name after the colon."""
        try:
            return self._limits[f"threshold:{threshold}"]
        except KeyError:
            raise OpsError(f"no rule records threshold:{threshold}; see {FOLDER}") from None

    def alert(self, name: str) -> Alert:
        """Return what an alert measures."""
        if name not in self._alerts:
            raise OpsError(f"no alert {name!r} in {FOLDER}; it has {', '.join(self._alerts)}")
        rule = self._alerts[name]
        measured, compared = split(rule["expr"])
        return Alert(name, rule["labels"]["severity"], measured, self._number(compared))

    def _number(self, compared: str) -> float | None:
        if not compared:
            return None
        if threshold := re.fullmatch(r"scalar\(threshold:(.+)\)", compared):
            return self.limit(threshold[1])
        return float(compared)


def split(expression: str) -> tuple[str, str]:
    """Split an alert's expression at its first comparison that is not in parentheses.

    Returns:
        what is compared, and with what; that is empty if nothing is. Further conditions, which
        follow after `and`, are left out; so is `absent()` around the whole.
    """
    text = " ".join(expression.split())
    condition = text[: next(_outside(r" and ", text), len(text))]
    if absent := re.fullmatch(r"absent\((.+)\)", condition):
        condition = absent[1]
    at = next(_outside(_COMPARISON.pattern, condition), None)
    if at is None:
        return condition, ""
    return condition[:at], _COMPARISON.sub("", condition[at:], count=1)


def _outside(pattern: str, text: str) -> Iterator[int]:
    """Yield where a pattern is found outside of parentheses, braces and strings."""
    depth = 0
    for match in re.finditer(rf'"[^"]*"|[({{]|[)}}]|{pattern}', text):
        if match[0] in "({":
            depth += 1
        elif match[0] in ")}":
            depth -= 1
        elif depth == 0 and not match[0].startswith('"'):
            yield match.start()
