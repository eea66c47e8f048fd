"""Each alert reaches whom it should, in the project's file and after each edit of the guide."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.inbox.pages import HEARD_WITHIN
from stack.ops.durations import seconds
from stack.ops.rule_files import FOLDER, rules_in
from tests.alerting import GUIDE, PEOPLE, ROOT, STRICT, edited, programs

RECEIVERS = {"Slack": "slack", "E-mail": "mail", "PagerDuty": "pagerduty"}
# Labels that no rule gives.
ODD: list[dict[str, str]] = [
    {},
    {"alertname": "SomethingNew"},
    {"alertname": "SomethingNew", "severity": "critical"},
    {"alertname": "SomethingNew", "severity": "PAGE"},
    {"alertname": "watchdog", "severity": "info"},
    {"alertname": "Näme mit Leerzeichen", "service": "ünïcode"},
]


def alerts() -> Iterator[dict[str, str]]:
    """Yield the labels of every alert that a rule makes, as far as the rule names them."""
    for _, rule in rules_in(ROOT / FOLDER):
        if "alert" in rule:
            yield {"alertname": rule["alert"], **rule["labels"]}


ALERTS = [dict(each) for each in sorted({tuple(sorted(labels.items())) for labels in alerts()})]
COMBINATIONS = [each for n in range(4) for each in itertools.combinations(PEOPLE, n)]


def shown(value: object) -> str | None:
    if isinstance(value, dict):
        return " ".join(value.values()) or "no labels"
    return "+".join(value) or "as it is" if isinstance(value, tuple) else None


def amtool(*arguments: str | Path) -> None:
    ended = subprocess.run(
        [programs().amtool, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def check_route(config: Path, labels: dict[str, str], *receivers: str) -> None:
    """Hold amtool's answer against the receivers; it wants them in the routes' order."""
    amtool(
        *("config", "routes", "test", STRICT, f"--config.file={config}"),
        f"--verify.receivers={','.join(receivers)}",
        *(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()),
    )


def write(folder: Path, text: str) -> Path:
    (folder / "templates").symlink_to(ROOT / "alertmanager" / "templates")
    path = folder / "alertmanager.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("labels", ALERTS, ids=shown)
def test_every_alert_reaches_its_receiver(labels: dict[str, str]) -> None:
    """The Watchdog goes to the dead man's receiver, all else to the inbox."""
    receiver = "dead-man" if labels["alertname"] == "Watchdog" else "inbox"
    check_route(ROOT / "alertmanager" / "alertmanager.yml", labels, receiver)


@pytest.mark.parametrize("people", COMBINATIONS, ids=shown)
def test_each_edit_is_accepted(tmp_path: Path, people: tuple[str, ...]) -> None:
    """Amtool takes the file with any combination of the guide's edits, in strict mode."""
    amtool("check-config", STRICT, write(tmp_path, edited(*people)))


@pytest.mark.parametrize("people", COMBINATIONS, ids=shown)
def test_odd_labels_reach_the_inbox_alone(tmp_path: Path, people: tuple[str, ...]) -> None:
    """An alert that no one thought of is in the inbox, and calls nobody."""
    config = write(tmp_path, edited(*people))
    for labels in ODD:
        check_route(config, labels, "inbox")


@pytest.mark.parametrize("people", COMBINATIONS[1:], ids=shown)
def test_people_get_pages_and_tickets_and_the_inbox_too(
    tmp_path: Path, people: tuple[str, ...]
) -> None:
    """Whoever has been added; PagerDuty gets pages alone, and nobody the Watchdog."""
    config = write(tmp_path, edited(*people))
    # The last edit stands first, right below the line.
    added = [RECEIVERS[name] for name in reversed(people)]
    quiet = [name for name in added if name != "pagerduty"]
    check_route(config, {"alertname": "A", "severity": "page"}, *added, "inbox")
    check_route(config, {"alertname": "A", "severity": "ticket"}, *quiet, "inbox")
    check_route(config, {"alertname": "Watchdog", "severity": "info"}, "dead-man")


@pytest.mark.parametrize("people", COMBINATIONS, ids=shown)
def test_tickets_wait_for_working_hours_and_nothing_else_does(people: tuple[str, ...]) -> None:
    """Only people's routes for tickets have a time; none is muted."""
    routes = yaml.safe_load(edited(*people))["route"]["routes"]
    for route in routes:
        is_for_tickets = route.get("matchers") == ['severity = "ticket"']
        timed = is_for_tickets and route["receiver"] != "inbox"
        assert route.get("active_time_intervals") == (["working-hours"] if timed else None)
        assert "mute_time_intervals" not in route
        assert route.get("continue", False) == (route["receiver"] in RECEIVERS.values())


def test_pages_go_out_at_once_and_come_again() -> None:
    """All wait 5 seconds for others; people get a page again every 4 hours, a ticket every 12."""
    top = yaml.safe_load(edited(*PEOPLE))["route"]
    waits = {route.get("group_wait", top["group_wait"]) for route in top["routes"]}
    assert waits == {"0s", "5s"}, "the Watchdog waits for nothing"
    pages = [each for each in top["routes"] if each.get("matchers") == ['severity = "page"']]
    again = {route["receiver"]: route["repeat_interval"] for route in pages}
    assert again == {"slack": "4h", "mail": "4h", "pagerduty": "4h"}
    assert top["routes"][-1] == {"receiver": "inbox", "repeat_interval": "10m"}
    tickets = [each for each in top["routes"] if each.get("matchers") == ['severity = "ticket"']]
    assert {route["receiver"] for route in tickets} == {"slack", "mail"}
    assert not any("repeat_interval" in route for route in tickets)
    assert top["repeat_interval"] == "12h"


def test_what_fires_is_confirmed_to_the_inbox_in_time() -> None:
    """It may miss one repetition of any alert before it says that it hears of it no more."""
    top = yaml.safe_load(edited())["route"]
    interval = seconds(top["group_interval"])
    again = [
        seconds(each["repeat_interval"]) for each in top["routes"] if each["receiver"] == "inbox"
    ]
    assert len(again) == 1
    assert 2 * (max(again) + interval) < HEARD_WITHIN


def test_the_inbox_is_told_of_ends_and_may_not_hang() -> None:
    """Whatever goes to it: an alert's end is sent, and a request without answer is given up."""
    receivers = yaml.safe_load(edited())["receivers"]
    webhooks = [each for receiver in receivers for each in receiver["webhook_configs"]]
    assert len(webhooks) == 2
    assert all(each["send_resolved"] is True and each["timeout"] == "5s" for each in webhooks)


def secrets_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the keys that hold a secret themselves, not the name of its file."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from secrets_in(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from secrets_in(each, key)
    elif re.search(r"api_url|password|secret|token|credential|key", key) and key[-5:] != "_file":
        yield key


def test_no_secret_stands_in_the_configuration() -> None:
    """Each is read from a file of the secrets' folder; an inline one would be found."""
    config = yaml.safe_load(edited(*PEOPLE))
    assert list(secrets_in(config)) == []
    files = re.findall(r"_file: (\S+)", edited(*PEOPLE))
    assert len(files) == 3
    assert all(each.startswith("/run/secrets/") for each in files)
    config["receivers"][2]["slack_configs"][0]["api_url"] = "https://hooks.example.com/x"
    assert list(secrets_in(config)) == ["api_url"]


def inhibited_by_target_down() -> list[str]:
    """Return the alternatives in the first rule's expression."""
    rule = yaml.safe_load(edited())["inhibit_rules"][0]
    (names,) = re.findall(r'alertname =~ "(.*)"', rule["target_matchers"][0])
    return str(names).split("|")


@pytest.mark.parametrize("pattern", inhibited_by_target_down())
def test_what_is_inhibited_exists(pattern: str) -> None:
    """Each name in TargetDown's rule is that of an alert, and stands in the guide."""
    names = {labels["alertname"] for labels in ALERTS}
    assert any(re.fullmatch(pattern, name) for name in names)
    assert pattern.replace(".+", "…") in GUIDE.read_text(encoding="utf-8")
