"""Which series there are, by the telemetry contracts and the recording rules, with their labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.ops.rule_files import FOLDER, rules_in
from tests.rules.promql import Kind, groupings, parts, selectors

ROOT = Path(__file__).parents[2]
RULES = ROOT / FOLDER
# Every series of a scrape has these: from prometheus.yml and the targets.
SCRAPED = frozenset({"job", "instance", "service"})
# What Prometheus makes itself at each scrape, and of each alert.
SYNTHETIC = {
    "up": frozenset[str](),
    "scrape_duration_seconds": frozenset[str](),
    "scrape_samples_scraped": frozenset[str](),
    "scrape_samples_post_metric_relabeling": frozenset[str](),
    "scrape_series_added": frozenset[str](),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "component", "slo"}),
    "ALERTS_FOR_STATE": frozenset({"alertname", "severity", "component", "slo"}),
}

Rule = dict[str, Any]
Series = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Contract:
    """What one component exposes: labels by metric, under the names that queries use."""

    component: str
    metrics: Series


def contracts() -> list[Contract]:
    """Read every telemetry contract of the project."""
    paths = [*ROOT.glob("*/telemetry.yaml"), *ROOT.glob("services/*/telemetry.yaml")]
    return [
        Contract(path.parent.name, dict(_series(yaml.safe_load(path.read_text(encoding="utf-8")))))
        for path in sorted(paths)
    ]


def _series(contract: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for metric in contract["metrics"]:
        name, labels = metric["name"], frozenset(metric["labels"])
        if metric["type"] == "histogram":
            yield f"{name}_bucket", labels | {"le"}
            yield f"{name}_sum", labels
            yield f"{name}_count", labels
        else:
            yield name, labels


def rules() -> list[tuple[str, Rule]]:
    """Return every rule with the name of its file."""
    return list(rules_in(RULES))


def expressions(rule: Rule) -> list[str]:
    """Return a rule's expression, and those of the queries in its annotations."""
    texts = "\n".join(rule.get("annotations", {}).values())
    return [rule["expr"], *re.findall(r'query "(.*?)"', texts)]


def known_series(all_rules: Iterable[Rule]) -> Series:
    """Return all series that can be there, with the labels that they can have.

    Args:
        all_rules: what is recorded is known, too.
    """
    known = dict(SYNTHETIC)
    for contract in contracts():
        for name, labels in contract.metrics.items():
            known[name] = known.get(name, frozenset()) | labels
    known = {name: labels | SCRAPED for name, labels in known.items()}
    records = [rule for rule in all_rules if "record" in rule]
    known |= {rule["record"]: frozenset() for rule in records}
    # Records of records of records: each round takes their labels one further.
    for _ in range(3):
        for rule in records:
            known[rule["record"]] |= labels_of(rule, known)
    return known


def labels_of(rule: Rule, known: Series) -> frozenset[str]:
    """Return the labels that a rule's result can have: those it sets, groups by, or passes on."""
    labels = set(rule.get("labels", {}))
    for grouped, _ in groupings(rule["expr"]):
        labels |= set(grouped)
    if all(part.kind is not Kind.AGGREGATION for part in parts(rule["expr"])):
        for selector in selectors(rule["expr"]):
            labels |= known.get(selector.metric, frozenset())
    return frozenset(labels)


def unknown_in(expression: str, known: Series) -> Iterator[str]:
    """Say what an expression names that cannot be there: metrics, labels of them."""
    for selector in selectors(expression):
        if selector.metric not in known:
            yield f"no metric {selector.metric}"
            continue
        for label, _, _ in selector.matchers:
            if label not in known[selector.metric]:
                yield f"{selector.metric} has no label {label}"
    for labels, scope in groupings(expression):
        for selector in selectors(scope):
            for label in labels:
                if label not in known.get(selector.metric, {label}):
                    yield f"{selector.metric} has no label {label}"
