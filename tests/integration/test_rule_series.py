"""What rules select is there: on the running stack, every selector matches a series."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import pytest

from tests.integration.conftest import Pipeline, until
from tests.integration.test_pipeline_jaeger import stack as jaeger_stack
from tests.integration.test_pipeline_jaeger import up_output
from tests.rules.contracts import SCRAPED, Contract, contracts, expressions, rules
from tests.rules.promql import selectors

__all__ = ["jaeger_stack", "up_output"]
CONTRACTS = {contract.component: contract for contract in contracts()}
SELECTORS = {
    selector.text: selector
    for _, rule in rules()
    for expression in expressions(rule)
    for selector in selectors(expression)
}


@dataclass(frozen=True, slots=True)
class Absent:
    """Selectors that match nothing on a healthy stack."""

    pattern: str
    reason: str


ABSENT = (
    Absent(r"^grafana_", "Grafana is not installed here"),
    Absent(r"^(thanos|caddy)_", "only a stack of pairs has Thanos and a balancer"),
    Absent(r"^otelcol_", "the embedded trace store has no such series"),
    Absent(r'status_code=~"5\.\."', "no request has failed"),
    Absent(r"^service:http_server_errors:ratio_rate5m", "no request has failed"),
    Absent(r"^circuit_breaker_transitions_total", "no breaker has opened"),
    Absent(r'^retry_attempts_total\{outcome="retried"\}', "no call had to be made again"),
)


@pytest.mark.parametrize("component", ["prometheus", "alertmanager"])
def test_a_component_exposes_what_its_contract_says(pipeline: Pipeline, component: str) -> None:
    """Every metric, with the labels that it is said to have."""
    assert_exposed(pipeline, CONTRACTS[component])


def test_jaeger_exposes_what_its_contract_says(jaeger_stack: Pipeline) -> None:
    """Where a built Jaeger runs instead of the embedded store; only collectors have a queue."""
    assert jaeger_stack.ask().status_code == 200
    contract = CONTRACTS["jaeger"]
    of_one = {name: each for name, each in contract.metrics.items() if "_queue_" not in name}
    assert_exposed(jaeger_stack, Contract(contract.component, of_one))


def assert_exposed(pipeline: Pipeline, contract: Contract) -> None:
    """Ask Prometheus for each metric of a component until it is there."""
    for metric, labels in contract.metrics.items():
        query = f'{metric}{{service="{contract.component}"}}'
        found = until(partial(pipeline.query, query), f"{query} is there")
        shown = {name for name in found[0]["metric"] if not name.startswith("otel_scope_")}
        assert shown - SCRAPED - {"__name__"} == labels, metric


def test_every_selector_of_every_rule_matches_a_series(pipeline: Pipeline) -> None:
    """Except for what a healthy stack has not, for the reasons above."""
    for _ in range(3):
        assert pipeline.ask().status_code == 200
    expected = [text for text in SELECTORS if not any(re.search(a.pattern, text) for a in ABSENT)]

    def all_there() -> bool:
        pipeline.ask_added()
        missing = [text for text in expected if not pipeline.query(f"count({text})")]
        if missing:
            raise ValueError(missing)
        return True

    until(all_there, "every selector matches", deadline=60.0, pause=1.0)


def test_no_reason_for_a_missing_series_is_left_over() -> None:
    """Each names a selector that some rule has."""
    for absent in ABSENT:
        assert any(re.search(absent.pattern, text) for text in SELECTORS), absent
