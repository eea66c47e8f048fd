"""Rules with one small mistake each, as a person might make it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.ops.durations import seconds, shown
from tests.rules.promql import Kind, Part, parts

Rule = dict[str, Any]

SEVERITIES = ("page", "ticket", "info")
# What each may be taken for.
SWAPS: dict[str, tuple[str, ...]] = {
    # Comparison, arithmetic, set operators.
    ">": (">=", "<", "=="),
    "<": ("<=", ">", "=="),
    ">=": (">", "<"),
    "<=": ("<", ">"),
    "==": ("!=", ">", "<"),
    "+": ("-", "*"),
    "-": ("+", "*"),
    "*": ("/", "+"),
    "/": ("*", "-"),
    "and": ("or", "unless"),
    "or": ("and", "unless"),
    "unless": ("and", "or"),
    # Aggregations.
    "sum": ("avg", "max"),
    "max": ("min", "sum"),
    "min": ("max", "sum"),
    "avg": ("sum", "max"),
    "count": ("sum", "max"),
    # Functions.
    "rate": ("increase", "irate"),
    "increase": ("rate", "irate"),
    "changes": ("resets",),
    "avg_over_time": ("max_over_time", "min_over_time", "last_over_time"),
    "min_over_time": ("avg_over_time", "max_over_time", "last_over_time"),
    "max_over_time": ("avg_over_time", "min_over_time", "last_over_time"),
    "present_over_time": ("absent_over_time",),
    "absent": ("scalar",),
}
MATCHES = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
SWAPPED = {Kind.COMPARISON, Kind.ARITHMETIC, Kind.SET, Kind.AGGREGATION, Kind.FUNCTION}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule file in which one rule was changed, or left out.

    Of the changed alert's file only the records are there beside it: alerts do not read each other.
    """

    file: str
    name: str
    is_alert: bool
    change: str
    groups: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """The whole rule file."""
        return yaml.safe_dump({"groups": self.groups}, sort_keys=False, width=10_000)


def mutants(path: Path, thresholds: dict[str, float]) -> Iterator[Mutant]:
    """Make every mutant of a rule file, always in the same order.

    Args:
        path: the rule file.
        thresholds: recorded thresholds that may be mixed up, with their values.
    """
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for g, group in enumerate(groups):
        for rule in group["rules"]:
            for change, changed in _changes(rule, thresholds):
                kept = [_needed(each, rule) for each in groups]
                at = next(i for i, each in enumerate(kept[g]["rules"]) if each is rule)
                kept[g]["rules"][at : at + 1] = [changed] if changed else []
                name = rule.get("alert") or rule["record"]
                yield Mutant(path.name, name, "alert" in rule, change, kept)


def _needed(group: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """Return a group without the alerts of other names, if the changed rule is an alert."""
    name = rule.get("alert")
    rules = [
        each for each in group["rules"] if not name or "record" in each or each["alert"] == name
    ]
    return group | {"rules": rules}


def _changes(rule: Rule, thresholds: dict[str, float]) -> Iterator[tuple[str, Rule | None]]:
    yield "no such rule", None
    for field in ("for", "keep_firing_for"):
        if field in rule:
            without = {key: value for key, value in rule.items() if key != field}
            yield f"no `{field}`", without
            for longer in _stretched(rule[field]):
                yield f"{field}: {rule[field]} → {longer}", rule | {field: longer}
    severity = rule.get("labels", {}).get("severity")
    for other in SEVERITIES if severity else ():
        if other != severity:
            yield f"{severity} → {other}", rule | {"labels": rule["labels"] | {"severity": other}}
    for change, expression in expressions(rule["expr"], thresholds):
        yield change, rule | {"expr": expression}


def expressions(expression: str, thresholds: dict[str, float]) -> Iterator[tuple[str, str]]:
    """Yield what is changed, with its surroundings, and the changed expression."""
    whole = parts(expression)
    for index, part in enumerate(whole):
        for text in _instead(part, thresholds):
            before, after = expression[: part.start], expression[part.end :]
            context = f"{before[-12:]}[{part.text} → {text}]{after[:30]}"
            yield " ".join(context.split()), before + text + after
        if part.kind is Kind.LABEL:
            first, last = _with_comma(whole, index)
            cut = expression[: whole[first].start] + " " + expression[whole[last].end :]
            dropped = expression[whole[first].start : whole[last].end]
            around = f"{expression[: whole[first].start][-20:]}[{dropped} → ]"
            yield " ".join(around.split()), cut


def _instead(part: Part, thresholds: dict[str, float]) -> Iterator[str]:
    if part.kind in SWAPPED:
        yield from SWAPS.get(part.text, ())
    elif part.kind is Kind.NUMBER:
        yield from _numbers(part.text)
    elif part.kind is Kind.WINDOW:
        yield from _stretched(part.text)
    elif part.kind is Kind.MATCH:
        yield MATCHES[part.text]
    elif part.kind is Kind.VALUE:
        yield from _values(part.text)
    elif part.text in thresholds:
        # The next one that has another value: it cannot be told from one with the same.
        names = list(thresholds)
        start = names.index(part.text)
        others = names[start + 1 :] + names[:start]
        yield next(name for name in others if thresholds[name] != thresholds[part.text])


def _numbers(text: str) -> Iterator[str]:
    """A little and a lot more and less; what may be a count, by one."""
    value = float(text)
    small = [value - 1, value + 1] if value in range(20) else [value * 0.95, value * 1.05]
    large = [value / 2, value * 2] if value else []
    yield from dict.fromkeys(f"{each:.10g}" for each in (*small, *large) if each != value)


def _stretched(duration: str) -> tuple[str, str]:
    return shown(seconds(duration) / 2), shown(seconds(duration) * 2)


def _values(quoted: str) -> Iterator[str]:
    """Another value; each alternative of a pattern left out."""
    quote, inside = quoted[0], quoted[1:-1]
    alternatives = inside.split("|")
    if len(alternatives) > 1:
        for left_out in alternatives:
            rest = "|".join(each for each in alternatives if each != left_out)
            yield f"{quote}{rest}{quote}"
    else:
        yield f"{quote}{inside}0{quote}"


def _with_comma(whole: list[Part], index: int) -> tuple[int, int]:
    """Return the first and last part of a grouping's label, or matcher, and its comma."""
    last = index + 2 if whole[index + 1].kind is Kind.MATCH else index
    if whole[last + 1].text == ",":
        return index, last + 1
    return (index - 1, last) if whole[index - 1].text == "," else (index, last)


def load_thresholds(path: Path) -> dict[str, float]:
    """Return each recorded threshold's value."""
    (group,) = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return {
        rule["record"]: float(re.sub(r"vector\((.*)\)", r"\1", rule["expr"]))
        for rule in group["rules"]
    }
