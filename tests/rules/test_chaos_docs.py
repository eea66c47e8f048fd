"""The guide to chaos shows every scenario as it is played, and an eighth that could be."""

import inspect
import json
import re
from pathlib import Path

from stack.ops.chaos import oracles, scenarios
from stack.ops.chaos.scenarios import SCENARIOS, Scenario
from stack.ops.drill.causes import Drilled

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")
NAMES = [each.name for each in SCENARIOS]


def blocks(language: str) -> list[str]:
    """Return the guide's blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_table_has_every_scenario_by_its_number() -> None:
    """In the order in which they are played."""
    rows = re.findall(r"^\| (\d) \| `([a-z-]+)` \|", TEXT, re.MULTILINE)
    assert rows == [(str(number), name) for number, name in enumerate(NAMES, 1)]


def test_the_output_is_that_of_todays_oracles() -> None:
    """Each sentence of each scenario stands there with its kind, and that it is true."""
    one, all_of_them = blocks("text")
    for shown, expected in ((one, NAMES[3:4]), (all_of_them, NAMES)):
        parts = re.split(r"^  ([a-z-]+): .*$\n", shown, flags=re.MULTILINE)
        assert parts[1::2] == expected
        for name, part in zip(parts[1::2], parts[2::2], strict=True):
            (scenario,) = (each for each in SCENARIOS if each.name == name)
            said = [*scenario.during, *scenario.afterwards, *scenario.throughout]
            rows = re.findall(r"^ {4}(\w+) +yes (.*?)  ", part, re.MULTILINE)
            assert sorted(rows) == sorted((each.kind, each.says) for each in said)
        assert f"{len(expected)} of {len(expected)} scenarios seen, contained and over" in shown


def test_the_eighth_is_a_scenario() -> None:
    """What is printed can be put beside the seven as it stands."""
    code, _ = blocks("python")
    (alert,) = re.findall(r"`RETRIES = (Drilled\(.*\))`", TEXT)
    retries = eval(alert, {"Drilled": Drilled})
    eighth = eval(code, {**vars(scenarios), "RETRIES": retries})
    assert isinstance(eighth, Scenario)
    assert eighth.name not in NAMES


def test_the_printed_oracle_is_the_one_there_is() -> None:
    """Not one of an earlier day."""
    assert blocks("python")[1] == inspect.getsource(oracles.no_errors)


def test_what_is_to_be_watched_is_there() -> None:
    """Each dashboard that the table names has the panels that it names."""
    watched = re.findall(r"^\| \d \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert len(watched) == len(NAMES)
    for one in "; ".join(watched).split("; "):
        board, panels = one.split(": ")
        content = json.loads(
            (ROOT / "grafana" / "dashboards" / f"{board.lower()}.json").read_text()
        )
        titles = {panel.get("title") for panel in content["panels"]}
        assert set(panels.split(" and ")) <= titles, one
