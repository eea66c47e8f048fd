"""Every query of every panel, with every value of its variables, answers on the running stack."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.dashboards.boards import OF_PAIRS, Json, Query, boards, named, queries, variables
from tests.integration.conftest import Pipeline, until


@dataclass(frozen=True, slots=True)
class Absent:
    """Panels that are empty on a healthy stack."""

    pattern: str
    reason: str


# The pattern is looked for in what `Query.name` says.
ABSENT = (
    Absent(r": Firing alerts A$", "nothing fires"),
    Absent(r"^alerts: Alerts over time", "nothing fires"),
    Absent(r"^dependencies: Openings", "no breaker has opened"),
    Absent(r"^dependencies: Repeated", "no call had to be made again"),
    Absent(r"^telemetry: Refused by Jaeger", "the embedded trace store has no such series"),
    Absent(r"^telemetry: Grafana's errors", "Grafana is not installed here"),
    *(Absent(f"^telemetry: {title}", "only a stack of pairs has this") for title in OF_PAIRS),
)


def choices(pipeline: Pipeline, variable: Json) -> list[str]:
    """Return the values that a variable can have, all of them together among them."""
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
    assert asked is not None
    metric, label = asked.groups()
    found = until(lambda: pipeline.query(f"group by ({label}) ({metric})"), f"{metric} has {label}")
    values = sorted(series["metric"][label] for series in found)
    assert variable["current"]["value"] in [*values, ["$__all"]]
    return [*values, variable["allValue"]] if variable.get("includeAll") else values


def asked(pipeline: Pipeline, query: Query) -> Iterator[str]:
    """Yield the query with each value of each of its variables put in."""
    known = variables(boards()[query.board])
    names = sorted(named(query.expression) & set(known))
    options = [choices(pipeline, known[name]) for name in names]
    for values in itertools.product(*options):
        expression = query.expression
        for name, value in zip(names, values, strict=True):
            expression = expression.replace(f"${name}", value)
        yield expression


def unanswered(pipeline: Pipeline, query: Query) -> Iterator[str]:
    """Yield what Prometheus answers nothing to, or without the labels that the legend shows."""
    shown = set(re.findall(r"{{(\w+)}}", query.target["legendFormat"]))
    for expression in asked(pipeline, query):
        found = pipeline.query(expression)
        if not found:
            yield expression
        # An alert has the labels of its rule; a completion that did not fail, no kind of error.
        elif not any(
            shown - {"component", "error_type"} <= set(series["metric"]) for series in found
        ):
            yield f"{expression} lacks one of {shown}"


@pytest.mark.timeout(300)
def test_every_query_of_every_panel_answers(pipeline: Pipeline) -> None:
    """Except for what a healthy stack has not, for the reasons above."""
    for _ in range(3):
        assert pipeline.ask().status_code == 200
    waiting = [each for each in queries() if not absent(each)]
    assert len(waiting) > 100

    def all_answer() -> bool:
        pipeline.ask_added()
        waiting[:] = [each for each in waiting if any(unanswered(pipeline, each))]
        if waiting:
            raise ValueError({each.name: next(unanswered(pipeline, each), "") for each in waiting})
        return True

    until(all_answer, "every query answers", deadline=120.0, pause=2.0)


def test_every_annotation_is_understood(pipeline: Pipeline) -> None:
    """What is marked over time is asked for rightly, though nothing may have happened."""
    for board in boards().values():
        for each in board["annotations"]["list"]:
            pipeline.query(each["expr"])


@pytest.mark.timeout(300)
def test_what_may_be_empty_is_asked_for_rightly(pipeline: Pipeline) -> None:
    """Prometheus understands it, whatever the variables are."""
    for query in filter(absent, queries()):
        for expression in asked(pipeline, query):
            pipeline.query(expression)


# Values that a healthy stack's labels do not have: what fires, fails, was refused or made again.
UNHEALTHY = re.compile(
    r'alertstate=|severity=|status="firing"|slo=|"5\.\."|(from|to)_state=|outcome="retried"'
)
_SELECTOR = re.compile(r"(\w+)\{([^{}$]+)\}")
_MATCHER = re.compile(r'\w+\s*=~?\s*"[^"$]+"')


@pytest.mark.timeout(300)
def test_every_value_that_a_query_names_is_one_that_a_label_has(pipeline: Pipeline) -> None:
    """A misspelt outcome would be 0 for ever, in health and in a fault."""
    assert pipeline.ask().status_code == 200
    found = {
        (metric, matcher)
        for query in queries()
        for metric, labels in _SELECTOR.findall(query.expression)
        for matcher in _MATCHER.findall(labels)
        if not UNHEALTHY.search(matcher)
    }
    assert len(found) >= 10
    unknown = [
        f"{metric}{{{matcher}}}"
        for metric, matcher in sorted(found)
        if not pipeline.query(f"group({metric}{{{matcher}}})")
    ]
    assert unknown == []


def test_a_heat_map_has_exemplars_that_lead_to_traces(pipeline: Pipeline) -> None:
    """Those of the gateway's requests are traces that can be opened."""
    (query,) = [
        each for each in queries() if each.board == "service" and each.panel["type"] == "heatmap"
    ]
    assert pipeline.ask().status_code == 200
    expression = query.expression.replace("$service", "gateway")
    traces = until(lambda: pipeline.exemplar_traces(expression), "there are exemplars")
    assert until(
        lambda: any(pipeline.trace(each)["spans"] for each in traces), "one is a stored trace"
    )


def test_no_reason_for_an_empty_panel_is_left_over() -> None:
    """Each names a panel that there is."""
    for each in ABSENT:
        assert any(re.search(each.pattern, query.name) for query in queries()), each


def absent(query: Query) -> bool:
    """Tell whether a healthy stack has nothing to show there."""
    return any(re.search(each.pattern, query.name) for each in ABSENT)
