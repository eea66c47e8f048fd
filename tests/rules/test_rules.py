"""The components' own checkers accept the files; every alert says what is needed, and is tested."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.errors import OpsError
from stack.ops.binaries import Binaries, find_binaries
from stack.ops.components import Plan
from stack.ops.local import addresses
from stack.ops.ports import DEFAULTS
from stack.ops.render import render
from stack.ops.rule_files import FOLDER, rules_in
from stack.ops.secrets import make_secrets

ROOT = Path(__file__).parents[2]


ALERTS = [rule for _, rule in rules_in(ROOT / FOLDER) if "alert" in rule]


@pytest.fixture(scope="session")
def tools() -> Binaries:
    try:
        return find_binaries(ROOT / ".run", print)
    except OpsError as error:
        pytest.skip(f"promtool and amtool: {error}")


def run(program: Path, *arguments: str | Path) -> None:
    ended = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_the_checkers_accept_what_is_run(tools: Binaries, tmp_path: Path, speed: float) -> None:
    """Promtool and amtool, on the rendered files, at full speed and in a drill."""
    plan = Plan(ROOT, tmp_path, DEFAULTS, speed)
    make_secrets(plan.secrets)
    render(ROOT, plan.config, addresses=addresses(plan), secrets_dir=plan.secrets, speed=speed)
    run(tools.promtool, "check", "config", plan.config / "prometheus" / "prometheus.yml")
    strict = "--enable-feature=utf8-strict-mode"
    run(tools.amtool, "check-config", strict, plan.config / "alertmanager" / "alertmanager.yml")


@pytest.mark.parametrize(
    "tests", sorted((ROOT / "prometheus" / "tests").glob("*.test.yml")), ids=lambda path: path.stem
)
def test_promtools_tests_pass(tools: Binaries, tests: Path) -> None:
    """Each alert fires, does not fire close to its threshold, and resolves."""
    run(tools.promtool, "test", "rules", tests)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_a_person_needs(rule: dict[str, Any]) -> None:
    """Severity, whose it is, summary, description, and where runbook and dashboard are."""
    name = rule["alert"]
    assert rule["labels"]["severity"] in {"page", "ticket", "info"}
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == f"http://localhost:8003/runbooks/{name}"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested(rule: dict[str, Any]) -> None:
    """A test in which it fires, and unless it always does, one in which it does not."""
    expectations = [
        bool(expected["exp_alerts"])
        for path in (ROOT / "prometheus" / "tests").glob("*.test.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for expected in test["alert_rule_test"]
        if expected["alertname"] == rule["alert"]
    ]
    assert True in expectations
    if rule["expr"] != "vector(1)":
        assert expectations[0] is False, "not at once"
        assert expectations[-1] is False, "not for ever"
