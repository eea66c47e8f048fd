"""A mistake in a rule makes one of promtool's tests fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from stack.errors import OpsError
from stack.ops.binaries import find_binaries
from tests.rules.mutants import Mutant, expressions
from tests.rules.mutation import (
    AIM,
    EQUIVALENT,
    ROOT,
    RULES,
    all_mutants,
    judge,
    rule_tests,
    sample,
    share,
    survivors,
)
from tests.rules.test_slo_scenarios import ADDED

pytestmark = pytest.mark.timeout(300)

# All take a minute, and those of generated rules more than an hour: their tests span 32 days.
# `python -m tests.rules.mutation` runs them.
EVERY = {"written": 3, "generated": 200}


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return find_binaries(ROOT / ".run", print).promtool
    except OpsError as error:
        pytest.skip(f"promtool: {error}")


def population(kind: str) -> list[Mutant]:
    """Return the mutants of the rules that were written by hand, or of those that are generated."""
    generated = kind == "generated"
    return [each for each in all_mutants() if each.file.startswith("slo-") == generated]


@pytest.mark.parametrize(
    ("expression", "changed"),
    [
        ("up > 0", {"up >= 0", "up < 0", "up == 0", "up > -1", "up > 1"}),
        (
            'a{b=~"x|y"} / 0.2',
            {
                'a{b!~"x|y"} / 0.2',
                'a{b=~"x"} / 0.2',
                'a{b=~"y"} / 0.2',
                "a{ } / 0.2",
                'a{b=~"x|y"} * 0.2',
                'a{b=~"x|y"} - 0.2',
                'a{b=~"x|y"} / 0.19',
                'a{b=~"x|y"} / 0.21',
                'a{b=~"x|y"} / 0.1',
                'a{b=~"x|y"} / 0.4',
            },
        ),
        (
            "sum by (a, b) (rate(by[5m]))",
            {
                "avg by (a, b) (rate(by[5m]))",
                "max by (a, b) (rate(by[5m]))",
                "sum by (  b) (rate(by[5m]))",
                "sum by (a ) (rate(by[5m]))",
                "sum by (a, b) (increase(by[5m]))",
                "sum by (a, b) (irate(by[5m]))",
                "sum by (a, b) (rate(by[150s]))",
                "sum by (a, b) (rate(by[600s]))",
            },
        ),
        (
            "up and scalar(threshold:a) * 2",
            {
                "up or scalar(threshold:a) * 2",
                "up unless scalar(threshold:a) * 2",
                "up and scalar(threshold:c) * 2",
                "up and scalar(threshold:a) / 2",
                "up and scalar(threshold:a) + 2",
                "up and scalar(threshold:a) * 1",
                "up and scalar(threshold:a) * 3",
                "up and scalar(threshold:a) * 4",
            },
        ),
    ],
)
def test_every_part_of_an_expression_is_changed(expression: str, changed: set[str]) -> None:
    """One at a time; what stands in quotes is no operator, a threshold becomes another number."""
    thresholds = {"threshold:a": 1.0, "threshold:b": 1.0, "threshold:c": 2.0}
    assert {text for _, text in expressions(expression, thresholds)} == changed


def test_prometheus_accepts_every_mutant(promtool: Path, tmp_path: Path) -> None:
    """Otherwise a test would fail for another reason than the mistake."""
    groups = [
        {**group, "name": f"{number} {group['name']}"}
        for number, mutant in enumerate([*population("written"), *population("generated")[::20]])
        for group in mutant.groups
    ]
    path = tmp_path / "all.rules.yml"
    path.write_text(yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper))
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=none", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("kind", ["written", "generated"])
def test_the_tests_notice_a_mistake(promtool: Path, kind: str) -> None:
    """In a sample of all mutants, spread over the rule files, nearly all make a test fail."""
    verdicts = judge(promtool, sample(population(kind), EVERY[kind]))
    assert share(verdicts) >= AIM, "\n".join(survivors(verdicts))


def test_every_rule_file_is_tested() -> None:
    """So that its mutants are there at all; those of an added service are like the others."""
    listed = {name for file in rule_tests() for name in file.rule_files}
    listed |= {f"slo-{file.name}.rules.yml" for file in ADDED}
    assert listed == {path.name for path in RULES.glob("*.rules.yml")}


def test_no_reason_for_a_survivor_is_left_over() -> None:
    """Each covers a mutant."""
    every = all_mutants(with_equivalent=True)
    for equivalent in EQUIVALENT:
        assert any(equivalent.covers(mutant) for mutant in every), equivalent
