"""What rules name, something exposes or records."""

from __future__ import annotations

import re

import pytest

from tests.dashboards.boards import queries
from tests.rules.contracts import (
    Rule,
    contracts,
    expressions,
    known_series,
    labels_of,
    rules,
    unknown_in,
)
from tests.rules.promql import parts

RULES = [
    pytest.param(rule, id=f"{file}-{rule.get('alert') or rule['record']}") for file, rule in rules()
]
# What exposes more than the project asks of it.
THEIRS = {"prometheus", "alertmanager", "jaeger", "grafana", "thanos", "caddy"}
KNOWN = known_series(rule for _, rule in rules())


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_names_can_be_there(rule: Rule) -> None:
    """Every metric and label stands in a contract, is recorded, or is Prometheus' own."""
    for expression in expressions(rule):
        assert not set(unknown_in(expression, KNOWN)), expression


@pytest.mark.parametrize("rule", RULES)
def test_what_an_annotation_shows_the_alert_has(rule: Rule) -> None:
    """A label that is not there would be shown as nothing."""
    shown = set(re.findall(r"\$labels\.(\w+)", "".join(rule.get("annotations", {}).values())))
    assert shown <= labels_of(rule, KNOWN)


@pytest.mark.parametrize("rule", RULES)
def test_an_expression_is_taken_apart_whole(rule: Rule) -> None:
    """But for spaces, the parts are the expression."""
    for expression in expressions(rule):
        found = parts(expression)
        assert "".join(part.text for part in found) == re.sub(
            r"\s+(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", "", expression
        )


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("upp == 0", {"no metric upp"}),
        ('up{servce="llm"}', {"up has no label servce"}),
        ("sum by (component) (up)", {"up has no label component"}),
        ("sum(rate(up[5m])) by (le)", {"up has no label le"}),
        ("up / on (slo) group_left up", {"up has no label slo"}),
        ("sum by (le) (rate(http_server_request_duration_seconds_bucket[5m])) / 2", set()),
        (
            "sum by (le) (http_server_request_duration_seconds_count)",
            {"http_server_request_duration_seconds_count has no label le"},
        ),
        ('up{service="a", job=~"by|sum"} unless vector(1) > scalar(up)', set()),
    ],
)
def test_a_slip_of_the_pen_is_found(expression: str, unknown: set[str]) -> None:
    """A misspelt metric or label, or one that another metric has."""
    assert set(unknown_in(expression, KNOWN)) == unknown


def test_a_contract_has_no_more_than_is_used() -> None:
    """What Prometheus, Jaeger and the others expose beside it is theirs to change."""
    used = " ".join(str(expressions(rule)) for _, rule in rules())
    used += " ".join(query.expression for query in queries())
    for contract in contracts():
        if contract.component in THEIRS:
            bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in contract.metrics}
            assert [name for name in bases if name not in used] == []
