"""Does a mistake in a rule make a test fail? `python -m tests.rules.mutation [RULE_FILE …]`.

Every rule is changed in every way that `mutants.py` knows, one at a time, and promtool runs the
tests that list the rule's file. A mutant that no test notices survives: then a mistake just like
it would not be noticed either.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from stack.ops.binaries import find_binaries
from tests.rules.mutants import Mutant, load_thresholds, mutants

ROOT = Path(__file__).parents[2]
RULES = ROOT / "prometheus" / "rules"
TESTS = ROOT / "prometheus" / "tests"
# The least share of mutants that the tests have to notice, 0-1.
AIM = 0.95


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Mutants that cannot change whether, when and with what an alert fires."""

    name: str
    change: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Tell whether the mutant is one of these; `change` is a pattern."""
        return self.name == mutant.name and bool(re.search(self.change, mutant.change))


EQUIVALENT = (
    Equivalent("Watchdog", r"\[1 → ", "an alert fires whatever the value is"),
    Equivalent("HighLatency", r"\[sum → avg\]", "a quantile of means is that of sums"),
    Equivalent("HighLatency", r"\[rate → increase\]", "a quantile of increases is that of rates"),
    Equivalent("ThanosQueryIncomplete", r"or 0 \[\* → /\]", "nought divided is nought, too"),
    Equivalent("ThanosUploadFailing", r"and \[increase → rate\]", "both are nought"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    killed: bool


@dataclass(frozen=True, slots=True)
class RuleTests:
    """One of promtool's test files, with the names of the rule files that it lists."""

    path: Path
    rule_files: tuple[str, ...]
    tests: list[dict[str, Any]]

    def about(self, mutant: Mutant) -> list[str]:
        """Return the names of the tests in which the mutant can show."""
        if mutant.file not in self.rule_files:
            return []
        alerts = {mutant.name} if mutant.is_alert else self._alerts_with(mutant.name)
        return [
            test["name"]
            for test in self.tests
            if alerts & {asked["alertname"] for asked in test.get("alert_rule_test", [])}
            or (not mutant.is_alert and "promql_expr_test" in test)
        ]

    def _alerts_with(self, record: str) -> set[str]:
        """Return the alerts that name a record."""
        return {
            rule["alert"]
            for file in self.rule_files
            for rule in rules_of(file)
            if "alert" in rule and record in str(rule)
        }


@cache
def rules_of(file: str) -> list[dict[str, Any]]:
    """Return the rules of a rule file."""
    groups = yaml.safe_load((RULES / file).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@cache
def rule_tests() -> tuple[RuleTests, ...]:
    """Return every test file."""
    found = []
    for path in sorted(TESTS.glob("*.test.yml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        listed = tuple(Path(name).name for name in content["rule_files"])
        found.append(RuleTests(path, listed, content["tests"]))
    return tuple(found)


def all_mutants(files: Iterable[str] = (), *, with_equivalent: bool = False) -> list[Mutant]:
    """Return every mutant that can show, of these rule files or of all that a test lists."""
    thresholds = load_thresholds(RULES / "thresholds.rules.yml")
    listed = {name for file in rule_tests() for name in file.rule_files}
    return [
        mutant
        for name in sorted(set(files) or listed)
        for mutant in mutants(RULES / name, thresholds)
        if with_equivalent or not any(each.covers(mutant) for each in EQUIVALENT)
    ]


def sample(population: Sequence[Mutant], every: int) -> list[Mutant]:
    """Return every n-th mutant of each rule file, always the same ones."""
    files = dict.fromkeys(mutant.file for mutant in population)
    return [
        mutant
        for file in files
        for mutant in [each for each in population if each.file == file][::every]
    ]


def judge(promtool: Path, population: Sequence[Mutant], workers: int = 2) -> list[Verdict]:
    """Run the tests of every mutant; without one, they have to pass."""
    with ThreadPoolExecutor(workers) as pool:
        killed = pool.map(lambda mutant: _killed(promtool, mutant), population)
        return [Verdict(each, dead) for each, dead in zip(population, killed, strict=True)]


def _killed(promtool: Path, mutant: Mutant) -> bool:
    """Put the mutant in its rule file's place, in a folder like the project's, and test it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        rules, tests = Path(scratch, "rules"), Path(scratch, "tests")
        rules.mkdir()
        tests.symlink_to(TESTS)
        for path in RULES.glob("*.rules.yml"):
            if path.name != mutant.file:
                (rules / path.name).symlink_to(path)
        (rules / mutant.file).write_text(mutant.text, encoding="utf-8")
        return any(
            _fails(promtool, tests / file.path.name, names)
            for file in rule_tests()
            if (names := file.about(mutant))
        )


def _fails(promtool: Path, file: Path, tests: list[str]) -> bool:
    chosen = (f"--run=^{re.escape(name)}$" for name in tests)
    tested = subprocess.run(
        [promtool, "test", "rules", *chosen, file], capture_output=True, check=False
    )
    return tested.returncode != 0


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the figures by rule file, and every survivor."""
    lines = [f"{'rule file':<28} {'mutants':>8} {'killed':>8} {'share':>8}"]
    for name in dict.fromkeys(verdict.mutant.file for verdict in verdicts):
        lines += [_line(name, [each for each in verdicts if each.mutant.file == name])]
    return "\n".join([*lines, _line("together", verdicts), *survivors(verdicts)])


def _line(name: str, verdicts: Sequence[Verdict]) -> str:
    killed = sum(verdict.killed for verdict in verdicts)
    return f"{name:<28} {len(verdicts):>8} {killed:>8} {share(verdicts):>8.1%}"


def survivors(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a line for every mutant that no test noticed."""
    lived = [verdict.mutant for verdict in verdicts if not verdict.killed]
    return [f"survived: {each.file}: {each.name}: {each.change}" for each in lived]


def share(verdicts: Sequence[Verdict]) -> float:
    """Return the share of mutants that a test noticed, 0-1."""
    return sum(verdict.killed for verdict in verdicts) / len(verdicts)


def main() -> int:
    """Print the figures; 1 if too many survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.rules.mutation", description=__doc__)
    names = sorted(path.name for path in RULES.glob("*.rules.yml"))
    parser.add_argument("files", nargs="*", metavar="RULE_FILE", help="all that a test lists")
    parser.add_argument("--every", type=int, default=1, help="only every n-th mutant of each file")
    asked = parser.parse_args()
    unknown = sorted(set(asked.files) - set(names))
    if unknown:
        parser.error(f"no rule file {', '.join(unknown)}; there are {', '.join(names)}")
    promtool = find_binaries(ROOT / ".run", print).promtool
    population = sample(all_mutants(asked.files), asked.every)
    paths = [file.path for file in rule_tests() if any(map(file.about, population))]
    unchanged = subprocess.run(
        [promtool, "test", "rules", *paths], capture_output=True, check=False
    )
    if unchanged.returncode:
        print("tests fail though no rule is changed: mend that first", file=sys.stderr)
        return 1
    verdicts = judge(promtool, population)
    print(table(verdicts))
    return 0 if share(verdicts) >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
