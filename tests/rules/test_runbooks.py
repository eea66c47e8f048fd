"""Every alert has a runbook that says what the rule says, and whose parts are all there."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.gateway.answering import PASSAGES
from services.gateway.prompt import messages
from services.gateway.retrieval_client import Passage
from services.llm.composer import compose
from services.retrieval.index import Index, build
from services.retrieval.sections import read_documents
from stack.errors import OpsError
from stack.ops.cli import FIRST_QUESTION
from stack.ops.rule_files import FOLDER, rules_in
from stack.ops.runbooks import INDEX, RUNBOOKS, Alert, alerts, index, spoken

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / RUNBOOKS).glob("*.md"))
RULES = [each for each in rules_in(ROOT / FOLDER) if "alert" in each[1]]
NAMES = sorted({rule["alert"] for _, rule in RULES})
SECTIONS = ["Meaning", "Impact", "First checks", "Mitigation", "Drill", "When to silence"]
COMMAND = re.compile(r"`((?:make|curl|\.venv/bin/\S+) [^`\n]+)`")


def thresholds() -> dict[str, float]:
    """Return each threshold's number by its name."""
    content = yaml.safe_load((ROOT / "prometheus" / "rules" / "thresholds.rules.yml").read_text())
    found = {}
    for rule in content["groups"][0]["rules"]:
        match = re.fullmatch(r"vector\(([\d.]+)\)", rule["expr"])
        assert match, rule
        found[rule["record"]] = float(match[1])
    return found


THRESHOLDS = thresholds()


def shown(threshold: str) -> str:
    """Return a threshold as a runbook writes it, by the unit at the end of its name."""
    value, unit = THRESHOLDS[threshold], threshold.rpartition(":")[2]
    if unit == "ratio":
        return f"{value * 100:g} %" if value <= 1 else f"{value:g} times"
    if unit == "rate":
        return f"one in {1 / value:g} s"
    units = {"seconds": f"{value:g} s", "count": f"{value:,g}", "bytes": f"{value / 1e6:g} MB"}
    return units[unit]


def sections(name: str) -> dict[str, str]:
    """Return the text under each heading of a runbook, in order."""
    text = (ROOT / RUNBOOKS / f"{name}.md").read_text()
    title, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    assert title == f"# {name}\n\n"
    return dict(zip(parts[::2], parts[1::2], strict=True))


def numbers(rule: dict[str, Any]) -> Iterator[str]:
    """Yield what a rule's Meaning has to say: thresholds, factors, windows and waits."""
    expression = rule["expr"]
    yield from map(shown, re.findall(r"threshold:[a-z_]+:[a-z]+", expression))
    yield from (f"{factor} times" for factor in re.findall(r"> ([\d.]+) \*", expression))
    for window in re.findall(r"(?:\[|ratio_rate)(\d+[smhd])\b", expression):
        yield spoken(window)
    for wait in ("for", "keep_firing_for"):
        if wait in rule:
            yield spoken(rule[wait])


def says(text: str, number: str) -> bool:
    """Tell whether a text has the number with its unit, and not as a part of another one."""
    words = re.sub(r"^1 ", "(?:1|an?|last) ", re.escape(number).replace(r"\ ", " "))
    return re.search(rf"(?<![\d.,]){words}(?![\w%]|[.,]\d)", text) is not None


def test_there_are_alerts_and_pages() -> None:
    """The search for them finds hand-written and generated rules."""
    assert {"TargetDown", "ErrorBudgetBurnFast", "Watchdog"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_its_sections_in_order(name: str) -> None:
    """Who is woken finds the same thing in the same place; none is empty."""
    found = sections(name)
    assert list(found) == SECTIONS
    assert all(text.strip() for text in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_there_are_three_first_checks_with_a_command_each(name: str) -> None:
    """Each says beside the command what its output tells."""
    steps = re.findall(r"^(\d)\. (.+)$", sections(name)["First checks"], re.MULTILINE)
    assert [number for number, _ in steps] == ["1", "2", "3"]
    for _, text in steps:
        assert COMMAND.search(text), text
        said = COMMAND.sub("", text)
        assert len(said.split()) >= 8, f"what does its output tell? {text}"


@pytest.mark.parametrize("name", NAMES)
def test_the_drill_is_that_of_the_alert(name: str) -> None:
    """One block with the command, and what fault it causes."""
    drill = sections(name)["Drill"]
    command, said = re.fullmatch(r"\n```sh\n(.+)\n```\n\n(.+)\n\n", drill).groups()  # type: ignore[union-attr]
    assert command == f"make fire-drill ALERT={name}"
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", said)) <= 2


@pytest.mark.parametrize(("file", "rule"), RULES, ids=[f"{f}-{r['alert']}" for f, r in RULES])
def test_the_meaning_has_the_numbers_of_the_rule(file: str, rule: dict[str, Any]) -> None:
    """Whoever changes a threshold, a window or a wait has to change the page."""
    meaning = sections(rule["alert"])["Meaning"]
    missing = [number for number in numbers(rule) if not says(meaning, number)]
    assert not missing, f"{rule['alert']}.md: {missing} of {file} not in Meaning"


def test_a_number_is_told_from_one_that_holds_it() -> None:
    """Else a change of 5 to 15 would be missed."""
    assert says("more than 5 % of", "5 %")
    assert not says("more than 15 % of, or 2.5 %", "5 %")
    assert not says("30 minutes, 1,5,000", "5,000")
    assert not says("10 minutes", "1 minute")
    assert says("over the last hour", "1 hour")
    assert not says("over the last hours", "1 hour")


def test_every_threshold_is_in_a_runbook() -> None:
    """What stands in the file of thresholds is one of an alert."""
    used = {
        name
        for path in (ROOT / "prometheus" / "rules").glob("*.rules.yml")
        for name in re.findall(r"scalar\((threshold:[a-z_]+:[a-z]+)\)", path.read_text())
    }
    assert used == set(THRESHOLDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_other_pages_resolve(page: Path) -> None:
    """By the name of the file, which both GitHub and the inbox understand."""
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).is_file(), f"{page.name}: [{text}]({target})"


def test_there_is_no_runbook_without_an_alert() -> None:
    """A renamed alert takes its page with it."""
    assert {page.name for page in PAGES} == {INDEX, *(f"{name}.md" for name in NAMES)}


def test_the_index_is_in_step() -> None:
    """Rules and pages are what it was written from."""
    written = (ROOT / RUNBOOKS / INDEX).read_text()
    assert written == index(ROOT), "`make runbooks` writes it anew"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build(tmp_path_factory.mktemp("index") / "index.db", read_documents(ROOT))


# A single word names no document: retrieval cannot tell it from any other, and finds others too.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "Watchdog"])
def test_who_asks_what_to_do_is_answered_with_steps(documents: Index, name: str) -> None:
    """By the gateway, in words of the runbook: the first question of `make up` is such a one."""
    question = f"What do I do when {name} fires?"
    found = documents.search(question, PASSAGES)
    assert {each.section.path for each in found} == {f"{RUNBOOKS}/{name}.md"}
    conversation = messages(question, [Passage(**asdict(each.section)) for each in found])
    answer = compose((each["role"], each["content"]) for each in conversation)
    steps = re.findall(r"^(\d)\. .{20,}", answer, re.MULTILINE)
    assert len(steps) >= 3
    assert steps == [str(number) for number in range(1, len(steps) + 1)]


def test_a_page_with_a_name_of_one_word_is_found_first(documents: Index) -> None:
    """That it has no name of several words puts it behind no other."""
    first, *_ = documents.search("What do I do when Watchdog fires?", PASSAGES)
    assert first.section.path == f"{RUNBOOKS}/Watchdog.md"


def test_the_first_question_is_about_an_alert() -> None:
    """Else its answer is not held against a runbook here."""
    assert FIRST_QUESTION == "What do I do when CircuitBreakerOpen fires?"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout with one rule file and no runbook."""
    (tmp_path / "prometheus" / "rules").mkdir(parents=True)
    (tmp_path / RUNBOOKS).mkdir(parents=True)
    rules = [{"alert": "Full", "expr": "x > 1", "for": "90s", "labels": {"severity": "page"}}]
    save(tmp_path, "disk", rules)
    return tmp_path


def save(checkout: Path, name: str, rules: list[dict[str, Any]]) -> None:
    content = {"groups": [{"name": name, "rules": rules}]}
    path = checkout / "prometheus" / "rules" / f"{name}.rules.yml"
    path.write_text(yaml.safe_dump(content))


def test_the_index_takes_the_first_sentence(checkout: Path) -> None:
    """A point within a number does not end it."""
    page = checkout / RUNBOOKS / "Full.md"
    page.write_text("# Full\n\n## Meaning\n\nMore than 2.5 % is full. More text.\n")
    row = "| [Full](Full.md) | page | More than 2.5 % is full | 90 s | `disk.rules.yml` |\n"
    assert index(checkout).endswith(row)


def test_an_alert_in_several_files_is_listed_once(checkout: Path) -> None:
    """As those on SLOs are; the name stands for all files."""
    rule = {"alert": "Burns", "expr": "x", "labels": {"severity": "ticket"}}
    for name in ("slo-a", "slo-b"):
        save(checkout, name, [rule, {"record": "y", "expr": "x"}, rule])
    (checkout / RUNBOOKS / "Full.md").write_text("## Meaning\n\nFull.\n")
    (checkout / RUNBOOKS / "Burns.md").write_text("## Meaning\n\nBurns!\n")
    assert alerts(checkout)[1] == Alert(
        "Burns", "ticket", "", ("slo-a.rules.yml", "slo-b.rules.yml")
    )
    assert index(checkout).endswith("| Burns! | – | `slo-*.rules.yml` |\n")


@pytest.mark.parametrize("text", [None, "# Full\n", "## Meaning\n\n\n", "## Impact\n\nNone.\n"])
def test_a_page_that_is_missing_or_says_nothing_is_named(checkout: Path, text: str | None) -> None:
    """With what to do about it."""
    if text is not None:
        (checkout / RUNBOOKS / "Full.md").write_text(text)
    with pytest.raises(OpsError, match=r"Full\.md: .*(write it|begin that section)"):
        index(checkout)


@pytest.mark.parametrize("text", ["", "groups: 7", "groups:\n- rules: [{", "groups:\n- name: x"])
def test_a_rule_file_that_cannot_be_read_is_named(checkout: Path, text: str) -> None:
    """Rather than an index without its alerts."""
    (checkout / "prometheus" / "rules" / "disk.rules.yml").write_text(text)
    with pytest.raises(OpsError, match=r"disk\.rules\.yml: "):
        index(checkout)


@pytest.mark.parametrize(
    ("duration", "words"),
    [("15s", "15 s"), ("1m", "1 minute"), ("90s", "90 s"), ("2h", "2 hours"), ("3d", "3 days")],
)
def test_durations_are_spoken(duration: str, words: str) -> None:
    """In the largest unit that they are a whole number of."""
    assert spoken(duration) == words
