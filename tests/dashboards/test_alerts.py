"""What an alert judges a panel shows, with the same threshold."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from stack.errors import OpsError
from stack.ops.dashboards import look
from stack.ops.dashboards.rules import Rules, split
from tests.dashboards.boards import ROOT, Query, bare, boards, queries, variables
from tests.rules.contracts import Rule, known_series, labels_of, rules

ALL = list(queries())
KNOWN = known_series(rule for _, rule in rules())
ALERTS = [(file, rule) for file, rule in rules() if "alert" in rule]
WRITTEN = [rule for file, rule in ALERTS if not file.startswith("slo-")]
# Its expression holds always; what there is to see is when it last arrived.
UNSHOWN = {"Watchdog": "inbox_watchdog_last_seen_timestamp_seconds"}


def ids(rule: Rule) -> str:
    """Name a rule."""
    return f"{rule['alert']}-{rule['labels'].get('slo', '')}".removesuffix("-")


def shown(rule: Rule) -> list[Query]:
    """Return the queries that show what an alert compares."""
    measured = UNSHOWN.get(rule["alert"]) or split(rule["expr"])[0]
    if slo := rule["labels"].get("slo"):
        measured = measured.replace(f'slo="{slo}"', 'slo="$slo"')
    return [query for query in ALL if bare(measured) in bare(query.written)]


@pytest.mark.parametrize("rule", [rule for _, rule in ALERTS], ids=ids)
def test_every_alert_has_a_panel_that_shows_what_it_judges(rule: Rule) -> None:
    """With the same expression, but for the choice of a service, component or SLO."""
    assert shown(rule)


def has_limit(rule: Rule) -> bool:
    """Tell whether an alert fires above a number; one that fires at 0 is shown in words."""
    return bool(Rules(ROOT).alert(rule["alert"]).limit) or bool(re.search(r"> 0$", rule["expr"]))


@pytest.mark.parametrize("rule", [rule for rule in WRITTEN if has_limit(rule)], ids=ids)
def test_a_panel_turns_where_the_alert_fires(rule: Rule) -> None:
    """Every panel that shows it has the rule's threshold, in the colour of the severity."""
    limit = Rules(ROOT).alert(rule["alert"]).limit
    step = {"value": limit, "color": look.SEVERITIES[rule["labels"]["severity"]]}
    found = [query.panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for query in shown(rule)]
    assert [steps for steps in found if step not in steps] == []


@pytest.mark.parametrize(
    "rule", [rule for file, rule in ALERTS if rule["alert"].startswith("ErrorBudgetBurn")], ids=ids
)
def test_a_burn_rates_panel_has_both_windows_and_the_factor(rule: Rule) -> None:
    """The long and the short one, and the line at which the alert fires."""
    long, short = re.findall(r"ratio_rate(\w+)", rule["expr"])
    factor = float(re.findall(r"> ([\d.]+) \*", rule["expr"])[0])
    panels = [query.panel for query in shown(rule)]
    assert any(
        {target["legendFormat"] for target in panel["targets"]} == {long, short}
        and factor
        in [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        for panel in panels
    )


@pytest.mark.parametrize("rule", [rule for _, rule in ALERTS], ids=ids)
def test_an_alert_leads_to_a_dashboard_that_shows_it(rule: Rule) -> None:
    """By an address with variables that the dashboard has, filled from labels of the alert."""
    parsed = urlsplit(rule["annotations"]["dashboard_url"])
    assert parsed.netloc == "localhost:3000"
    _, _, uid, slug = parsed.path.split("/")
    name = uid.removeprefix("stack-")
    assert slug == boards()[name]["title"].lower().replace(" ", "-")
    assert name in {query.board for query in shown(rule)}
    chosen = dict(parse_qsl(parsed.query))
    assert {f"var-{each}" for each in variables(boards()[name])} - {"var-datasource"} == set(chosen)
    for variable, value in chosen.items():
        label = variable.removeprefix("var-")
        assert value == f"{{{{ $labels.{label} }}}}"
        assert label in labels_of(rule, KNOWN)


def test_no_number_of_a_threshold_is_typed_again() -> None:
    """The code of the dashboards has none of them; it takes them from the rules."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "stack" / "ops" / "dashboards").glob("*.py")
    )
    limits = re.findall(r"limits=\[\(([\d.]+), look\.(?:WARNING|BAD)\)", code)
    assert set(limits) <= {"0"}, "only that an error budget is gone"
    steps = re.findall(r"\(([\d.]+), look\.\w+", code)
    assert set(steps) <= {"0", "1"}, "only that there is one at all, or none is left"


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("up == 0", ("up", "0")),
        ("absent(a{b='c'})", ("a{b='c'}", "")),
        ("a / b > scalar(threshold:c:d) and e > 1", ("a / b", "scalar(threshold:c:d)")),
        ("sum(a > 0) / b >= 2", ("sum(a > 0) / b", "2")),
        ('a{b="c > d and e"} < 3', ('a{b="c > d and e"}', "3")),
        ("(a and b) unless c", ("(a and b) unless c", "")),
        ("vector(1)", ("vector(1)", "")),
    ],
)
def test_an_expression_is_split_at_its_comparison(expression: str, parts: tuple[str, str]) -> None:
    """Not in parentheses, braces or strings, and before any further condition."""
    assert split(expression) == parts


def test_what_the_rules_lack_is_named() -> None:
    """A dashboard is not made with a threshold or an alert that is gone."""
    with pytest.raises(OpsError, match="threshold:gone"):
        Rules(ROOT).limit("gone")
    with pytest.raises(OpsError, match="no alert 'Gone' in prometheus/rules; it has"):
        Rules(ROOT).alert("Gone")
