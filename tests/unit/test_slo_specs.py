"""Whatever is wrong in a spec is named: file, line, field, value and the mend."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.errors import OpsError
from stack.ops.added import added
from stack.ops.slo.spec import Spec, load, parse

ROOT = Path(__file__).parents[2]
GOOD = """\
service: orders
slos:
  - name: orders-availability
    description: of the orders are taken
    objective: 0.99
    sli:
      total: rate(orders_total[$window])
      bad: rate(orders_total{outcome="failed"}[$window])
"""
EXPRESSION = "a PromQL expression of events per second with [$window] as its range"
NAME = "small letters, digits and single hyphens, such as gateway-availability"
POLICIES = "a list of some of fast, medium, slow, steady"
SECOND = GOOD + GOOD.partition("slos:\n")[2]


def mistakes(text: str) -> list[str]:
    return parse(text, "orders.yaml", {})[1]


def test_a_short_spec_is_completed_by_defaults() -> None:
    """All four alerts, two of them pages; 30 days; a guard."""
    names: dict[str, str] = {}
    spec, wrong = parse(GOOD, "orders.yaml", names)
    assert not wrong
    assert spec is not None
    (slo,) = spec.slos
    assert (slo.window, slo.min_rate, slo.budget) == ("30d", 0.05, 0.01)
    assert [(policy.name, severity) for policy, severity in slo.policies] == [
        ("fast", "page"),
        ("medium", "page"),
        ("slow", "ticket"),
        ("steady", "ticket"),
    ]
    assert names == {"orders-availability": "orders.yaml:3"}


def test_severities_and_policies_are_chosen() -> None:
    """In the order of their speed, whatever the order in the spec."""
    spec, wrong = parse(f"{GOOD}    page: [fast]\n    ticket: [steady, slow]\n", "orders.yaml", {})
    assert not wrong
    assert spec is not None
    assert [(policy.name, severity) for policy, severity in spec.slos[0].policies] == [
        ("fast", "page"),
        ("slow", "ticket"),
        ("steady", "ticket"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.99", "1.2", "5: slos.0.objective=1.2: must be above 0 and below 1"),
        ("0.99", "1", "5: slos.0.objective=1: must be above 0 and below 1"),
        ("0.99", "0", "5: slos.0.objective=0: must be above 0 and below 1"),
        ("0.99", ".nan", "5: slos.0.objective=nan: must be above 0 and below 1"),
        ("0.99", "99 %", "5: slos.0.objective='99 %': must be above 0 and below 1"),
        ("0.99", "'0.99'", "5: slos.0.objective='0.99': must be above 0 and below 1"),
        ("0.99", "true", "5: slos.0.objective=True: must be above 0 and below 1"),
        ("0.99", "", "5: slos.0.objective=None: must be above 0 and below 1"),
        (
            "    objective: 0.99\n",
            "",
            "3: slos.0.objective is missing: must be above 0 and below 1",
        ),
        (
            "objective: 0.99",
            "objective: 0.9",
            "3: slos.0.page=['fast', 'medium']: must be without fast, which cannot fire for an "
            "objective of 0.9, only above 0.9306",
        ),
        ("name: orders-availability", "name: Orders", f"3: slos.0.name='Orders': must be {NAME}"),
        ("name: orders-availability", "name: a--b", f"3: slos.0.name='a--b': must be {NAME}"),
        ("service: orders", "service: [a]", f"1: service=['a']: must be {NAME}"),
        ("service: orders\n", "", f"1: service is missing: must be {NAME}"),
        (
            "of the orders are taken",
            "'{{ $value }}'",
            "4: slos.0.description='{{ $value }}': must be one line without braces that goes on "
            "after the percentage: of the …",
        ),
        (
            "rate(orders_total[$window])",
            "rate(orders_total[5m])",
            f"7: slos.0.sli.total='rate(orders_total[5m])': must be {EXPRESSION}",
        ),
        (
            "rate(orders_total[$window])",
            "rate(orders_total[$windows])",
            f"7: slos.0.sli.total='rate(orders_total[$windows])': must be {EXPRESSION}",
        ),
        (
            "      total: rate(orders_total[$window])\n",
            "",
            f"6: slos.0.sli.total is missing: must be {EXPRESSION}",
        ),
        (
            '      bad: rate(orders_total{outcome="failed"}[$window])\n',
            "",
            "6: slos.0.sli: must have bad or good beside total",
        ),
        (
            "      bad:",
            "      good: rate(x[$window])\n      bad:",
            "6: slos.0.sli: must have only one of bad and good",
        ),
        (
            "      bad:",
            "      ugly:",
            "8: slos.0.sli.ugly is no field: must be one of total, bad, good",
        ),
        (
            "    sli:",
            "    targets: 1\n    sli:",
            "6: slos.0.targets is no field: must be one of name, description, objective, window, "
            "sli, min_rate, page, ticket",
        ),
        ("service:", "team: a\nservice:", "1: team is no field: must be one of service, slos"),
        ("    sli:", "    window: 7d\n    sli:", "6: slos.0.window='7d': must be 30d"),
        (
            "    sli:",
            "    min_rate: -1\n    sli:",
            "6: slos.0.min_rate=-1: must be events per second, above 0",
        ),
        (
            "    sli:",
            "    min_rate: .inf\n    sli:",
            "6: slos.0.min_rate=inf: must be events per second, above 0",
        ),
        (
            "    sli:",
            "    page:\n      - fast\n      - furious\n    sli:",
            f"8: slos.0.page.1='furious': must be {POLICIES}",
        ),
        ("    sli:", "    page: fast\n    sli:", f"6: slos.0.page='fast': must be {POLICIES}"),
        (
            "    sli:",
            "    page: [fast, slow]\n    sli:",
            "3: slos.0.ticket=['slow', 'steady']: must be without slow: it is in page, too",
        ),
        (
            "    sli:",
            "    page: [fast, fast]\n    sli:",
            "6: slos.0.page=['fast', 'fast']: must have fast once",
        ),
        (
            "    objective: 0.99",
            "    objective: 0.99\n    objective: 0.98",
            "6: slos.0.objective is given twice: must stand once, in line 5 or here",
        ),
        (
            "    description: of the orders are taken\n",
            "    description: a\n     name: [\n",
            "5: is not YAML (mapping values are not allowed here): must be mended there or in the "
            "line before",
        ),
        (GOOD, "", "1: the file=None: must be a mapping with service and slos"),
        (GOOD, "- a\n", "1: the file=['a']: must be a mapping with service and slos"),
        (GOOD, "service: a\nslos: []\n", "2: slos=[]: must be a list of at least one SLO"),
        (GOOD, "service: a\nslos: [3]\n", "2: slos.0=3: must be a list of at least one SLO"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    """In one line, and alone."""
    assert old in GOOD
    assert mistakes(GOOD.replace(old, new, 1)) == [f"orders.yaml:{said}"]


def test_a_control_character_is_named() -> None:
    """The reader of YAML gives no line for it."""
    (said,) = mistakes(GOOD + "\x07")
    assert said.startswith("orders.yaml: is not YAML (")


def test_a_value_that_yaml_cannot_make_is_named() -> None:
    """Such as a day that no month has."""
    (said,) = mistakes(GOOD.replace("of the orders are taken", "2026-02-31"))
    assert said.startswith("orders.yaml: is not YAML (day is out of range")


def test_an_alias_of_itself_is_no_spec() -> None:
    """It ends, and says what is wrong."""
    assert mistakes("service: orders\nslos: &a [*a]\n")


def test_every_mistake_of_all_files_is_named_at_once(tmp_path: Path) -> None:
    """Names are unique over all files; what cannot be read is one more line."""
    folder = tmp_path / "prometheus" / "slo"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(SECOND)
    (folder / "b.yaml").write_text(GOOD.replace("0.99", "2").replace("30d", "x"))
    (folder / "c.yaml").write_text(GOOD)
    (folder / "d.yaml").write_bytes(b"\xff")
    (folder / "e.yaml").mkdir()
    with pytest.raises(OpsError) as failed:
        load(tmp_path)
    taken = "slos.{}.name='orders-availability': must be another one: it is that of "
    first = "prometheus/slo/a.yaml:3"
    a, b, c, d, e = str(failed.value).splitlines()
    assert a == f"prometheus/slo/a.yaml:9: {taken.format(1)}{first}"
    assert b == "prometheus/slo/b.yaml:5: slos.0.objective=2: must be above 0 and below 1"
    assert c == f"prometheus/slo/c.yaml:3: {taken.format(0)}{first}"
    assert d.startswith("prometheus/slo/d.yaml: cannot be read (")
    assert e.startswith("prometheus/slo/e.yaml: cannot be read (")


def test_no_specs_are_a_mistake(tmp_path: Path) -> None:
    """It says where one belongs."""
    with pytest.raises(OpsError, match=r"^prometheus/slo: has no spec: write prometheus/slo/<serv"):
        load(tmp_path)


def test_the_objectives_are_those_that_were_decided() -> None:
    """Name, service, objective and guard of every SLO, but for those of added services."""
    others = {each.name for each in added(ROOT)}
    specs = [spec for name, spec in load(ROOT).items() if name not in others]
    assert {
        (s.name, spec.service, s.objective, s.min_rate) for spec in specs for s in spec.slos
    } == {
        ("gateway-availability", "gateway", 0.995, 0.05),
        ("gateway-latency", "gateway", 0.95, 0.05),
        ("retrieval-availability", "retrieval", 0.995, 0.05),
        ("llm-availability", "llm", 0.99, 0.05),
        ("alert-delivery", "alertmanager", 0.99, 0.01),
    }


@settings(deadline=None)
@given(st.integers(1, 99_999))
def test_a_budget_is_what_the_objective_leaves(parts: int) -> None:
    """Exactly: 1 - 0.995 is 0.005, not 0.0050000000000000044."""
    objective = parts / 100_000
    spec, _ = parse(GOOD.replace("0.99", repr(objective)), "orders.yaml", {})
    assert spec is None or spec.slos[0].budget == (100_000 - parts) / 100_000


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_breaks_the_reading(text: str) -> None:
    """There is a spec or a line that says why not."""
    spec, wrong = parse(text, "any.yaml", {})
    assert isinstance(spec, Spec) or wrong
    assert all(line.startswith("any.yaml") for line in wrong)
