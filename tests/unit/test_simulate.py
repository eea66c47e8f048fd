"""`stack breaker simulate`: what is counted, compared and drawn."""

import json
import random
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stack.breaker import BreakerConfig, CircuitState
from stack.breaker.config import BreakerOptions
from stack.breaker.events import Event, subscribe
from stack.errors import ConfigurationError, OpsError
from stack.ops.cli import main
from stack.ops.simulate.patterns import PATTERNS, Scene
from stack.ops.simulate.run import simulate
from stack.ops.simulate.settings import NAMES, settings

SCENE = Scene()


def run(*arguments: str) -> Any:
    """Return what the command prints for scripts."""
    ended = CliRunner().invoke(main, ["breaker", "simulate", "--json", *arguments])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_an_outage_opens_it_once_and_spares_the_calls() -> None:
    """Five failures, and those under way with them, reach the caller; the rest are refused."""
    outcome = simulate("outage", Scene(background_ratio=0), BreakerOptions())
    assert outcome.openings == 1
    assert 5 <= outcome.failed < 12
    assert outcome.refused > 500
    assert outcome.opened_after is not None
    assert outcome.opened_after < 2
    assert 60 <= outcome.seconds(CircuitState.OPEN) < 61


def test_a_short_wait_probes_an_outage_again_and_again() -> None:
    """Every probe fails and opens it again; after the recovery it closes sooner."""
    short = simulate("outage", SCENE, BreakerOptions(timeout_seconds=5))
    long = simulate("outage", SCENE, BreakerOptions(timeout_seconds=40))
    assert short.openings == long.openings == 1
    assert short.failed_probes > long.failed_probes >= 1
    assert short.closed_after is not None
    assert long.closed_after is not None
    assert short.closed_after < long.closed_after


def test_slow_calls_open_it_only_when_it_looks_at_them() -> None:
    """They succeed, so that without a slow-call ratio the callers wait for each."""
    blind = simulate("slow", SCENE, BreakerOptions())
    looking = simulate("slow", SCENE, BreakerOptions(slow_call_seconds=1, slow_call_ratio=0.5))
    assert blind.openings == 0
    assert blind.opened_after is None
    assert looking.openings == 1
    assert looking.waited < blind.waited / 3


def test_a_ratio_sees_what_consecutive_failures_do_not() -> None:
    """Three in ten calls fail: five in a row are rare, a fifth of the window is not."""
    rows = simulate("steady", SCENE, BreakerOptions(failure_threshold=1000))
    ratio = simulate("steady", SCENE, BreakerOptions(failure_threshold=1000, failure_ratio=0.2))
    assert rows.openings == 0
    assert ratio.openings >= 1
    assert ratio.failed < rows.failed


def test_more_failures_may_open_it_for_less_time() -> None:
    """What opens it earlier moves the probes, and one of them may be lucky: no rule holds here."""
    fewer, more = (
        simulate(
            "steady",
            Scene(
                rate=5, before=5, fault_seconds=20, after=20, error_ratio=ratio, background_ratio=0
            ),
            BreakerOptions(timeout_seconds=10),
            seed=275,
        )
        for ratio in (0.5, 0.6)
    )
    assert 0 < more.seconds(CircuitState.OPEN) < fewer.seconds(CircuitState.OPEN)


def test_it_may_open_without_a_fault() -> None:
    """Openings before the fault are told apart, and are not what the fault is seen by."""
    outcome = simulate("outage", Scene(background_ratio=0.4), BreakerOptions(failure_threshold=2))
    assert outcome.early_openings >= 1


def test_one_that_is_not_closed_at_the_end_is_said_not_to_be() -> None:
    """No time to close is invented."""
    outcome = simulate("outage", SCENE, BreakerOptions(timeout_seconds=1000))
    assert outcome.closed_after is None


def test_jitter_leaves_the_program_s_own_chance_alone() -> None:
    """The module's generator goes on as if nothing had been drawn."""
    random.seed(5)
    expected = random.random()
    random.seed(5)
    simulate("outage", SCENE, BreakerOptions(backoff_multiplier=2))
    assert random.random() == expected


def test_a_simulated_breaker_is_in_no_metric_or_log() -> None:
    """What listens to all breakers of this process does not hear of it."""
    heard: list[Event] = []
    end = subscribe(heard.append)
    try:
        assert simulate("outage", SCENE, BreakerOptions()).openings == 1
    finally:
        end()
    assert heard == []


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_says_what_it_is(name: str) -> None:
    """In words, and with shares of failing calls from 0 to 1."""
    pattern = PATTERNS[name]
    assert pattern.what(SCENE)
    shares = [pattern.failing(SCENE, at) for at in range(int(SCENE.end))]
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] == shares[-1] == SCENE.background_ratio


def test_options_that_are_repeated_are_combined() -> None:
    """Each is named by what tells it from the others."""
    found = settings({"failure_ratio": [0.2, 0.5], "minimum_calls": [5, 20], "window_size": [50]})
    assert [each.name for each in found] == [
        "failure_ratio=0.2, minimum_calls=5",
        "failure_ratio=0.2, minimum_calls=20",
        "failure_ratio=0.5, minimum_calls=5",
        "failure_ratio=0.5, minimum_calls=20",
    ]
    assert all(each.options["window_size"] == 50 for each in found)


def test_a_setting_that_the_breaker_refuses_is_refused_as_it_does() -> None:
    """Before anything is run."""
    with pytest.raises(ConfigurationError, match="slow_call_ratio"):
        settings({"slow_call_ratio": [0.5]})


def test_too_many_settings_are_refused() -> None:
    """With what is possible."""
    with pytest.raises(OpsError, match="at most 12"):
        settings({"failure_threshold": list(range(1, 20))})


def test_the_options_are_those_of_the_library() -> None:
    """Each number of the configuration can be given, under its own name."""
    text = CliRunner().invoke(main, ["breaker", "simulate", "--help"], terminal_width=200).output
    for name in NAMES:
        assert f"--{name.replace('_', '-')} " in text
    assert len(NAMES) == len(BreakerConfig.__dataclass_fields__) - 3


def test_for_scripts_the_outcomes_have_times_in_every_state() -> None:
    """They add up to the whole."""
    answer = run("--pattern", "outage", "--failure-threshold", "3", "--seed", "7")
    (outcome,) = answer["outcomes"]
    states = [outcome[f"{state}_seconds"] for state in ("closed", "open", "half_open")]
    assert sum(states) == pytest.approx(240)
    assert answer["seed"] == 7


def test_for_people_there_are_a_table_and_time_lines() -> None:
    """Each setting has its line in both."""
    arguments = ["--pattern", "outage", "--timeout-seconds", "5", "--timeout-seconds", "30"]
    ended = CliRunner().invoke(main, ["breaker", "simulate", *arguments])
    assert ended.exit_code == 0, ended.output
    lines = ended.output.splitlines()
    assert sum("timeout_seconds=30" in line for line in lines) == 2
    assert any("█" in line and "·" in line for line in lines)


def test_the_picture_is_svg_with_a_bar_for_each_span(tmp_path: Path) -> None:
    """Well formed, and with what was compared."""
    file = tmp_path / "states.svg"
    run("--pattern", "flapping", "--failure-ratio", "0.2", "--svg", str(file))
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "failure_ratio=0.2" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) > 4


def test_a_picture_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """With the file's name."""
    file = tmp_path / "no" / "states.svg"
    ended = CliRunner().invoke(
        main, ["breaker", "simulate", "--pattern", "outage", "--svg", str(file)]
    )
    assert ended.exit_code == 1
    assert f"cannot write {file}" in ended.stderr.replace("\n", "")


def test_what_would_take_minutes_is_refused() -> None:
    """With what to lower."""
    ended = CliRunner().invoke(
        main, ["breaker", "simulate", "--rate", "1000", "--fault-seconds", "7200"]
    )
    assert ended.exit_code == 1
    assert "lower --rate" in ended.stderr
