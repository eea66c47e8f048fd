"""Fire drills: which can go on together, what counts as seen, and how long is waited."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.drill.causes import CAUSES, Drilled
from stack.ops.drill.cli import fire_drill, table
from stack.ops.drill.guard import Interrupted, interruptible
from stack.ops.drill.levers import Levers
from stack.ops.drill.observer import Seen
from stack.ops.drill.patience import patience, roughly
from stack.ops.drill.run import choose, names, waves
from stack.ops.drill.timeline import STEPS, TimeLine
from stack.ops.ports import DEFAULTS
from stack.ops.render import render
from stack.ops.rule_files import FOLDER, rules_in

ROOT = Path(__file__).parents[2]
FAULT = 1_800_000_000.0


def moment(after: float) -> str:
    """Return a time after the fault, as the components write it."""
    return datetime.fromtimestamp(FAULT + after, UTC).isoformat()


def seen(at: float, *, active: str = "", inbox: str = "", **stored: Any) -> Seen:
    """Return a look at which the alert A is as said in Prometheus and in the inbox."""
    labels = {"alertname": "A", "service": "gateway"}
    alerts = [{"labels": labels, "state": active, "activeAt": moment(1)}] if active else []
    entry = {
        "labels": labels,
        "status": inbox,
        "starts_at": moment(3),
        "received_at": moment(4),
        "updated_at": moment(at),
        **stored,
    }
    return Seen(FAULT + at, alerts, [entry] if inbox else [], "ok")


def line(alert: Drilled | None = None) -> TimeLine:
    """Return a time line on which nothing has been seen."""
    return TimeLine(alert or Drilled("A", {"service": "gateway"}), "a fault", FAULT)


def test_every_alert_has_a_drill() -> None:
    """None is left out, and none that is no longer there is drilled."""
    rules = [rule for _, rule in rules_in(ROOT / FOLDER)]
    assert set(names()) == {rule["alert"] for rule in rules if "alert" in rule}
    assert len(names()) == len(set(names())), "each by one cause"


def test_a_wave_disturbs_itself_nowhere_and_leaves_nothing_out() -> None:
    """Causes of one wave share no claim; all are in one wave each."""
    found = waves(CAUSES)
    assert sorted(cause.what for wave in found for cause in wave) == sorted(c.what for c in CAUSES)
    for wave in found:
        claims = [claim for cause in wave for claim in cause.claims]
        assert len(claims) == len(set(claims))
    assert len(found) < len(CAUSES) / 3, "most go on together"


def test_a_single_alert_is_drilled_alone() -> None:
    """Only its cause is chosen, and only this alert is waited for."""
    (cause,) = choose(["ErrorBudgetBurnSlow"])
    assert [alert.name for alert in cause.alerts] == ["ErrorBudgetBurnSlow"]


def test_an_unknown_alert_is_named_with_those_that_there_are() -> None:
    """The message has the name, and what it can be."""
    with pytest.raises(OpsError, match=r"ALERT='Tpyo' is no alert; there are ALL, .*TargetDown"):
        choose(["Tpyo"])


def test_each_step_is_noted_when_it_is_seen() -> None:
    """Fault, pending, firing, delivered, ended, resolved: in seconds after the fault."""
    way = line()
    for look in (seen(0.5), seen(1.5, active="pending"), seen(3.2, active="firing")):
        way.take_note(look)
    assert (way.missing, way.far_enough) == ("delivered", False)
    way.take_note(seen(4.1, active="firing", inbox="firing"))
    assert (way.missing, way.far_enough) == ("ended", True)
    way.ended = FAULT + 5
    way.take_note(seen(6, inbox="firing"))
    assert way.missing == "resolved"
    way.take_note(seen(9, inbox="resolved"))
    assert way.complete
    assert [way.after_fault(step) for step in STEPS] == pytest.approx([1, 3, 4, 5, 9])


def test_what_was_there_before_the_fault_does_not_count() -> None:
    """Neither an older occurrence, nor another service's."""
    way = line()
    way.take_note(seen(5, inbox="resolved", starts_at=moment(-60)))
    other = line(Drilled("A", {"service": "llm"}))
    other.take_note(seen(5, active="firing", inbox="firing"))
    assert (way.missing, other.missing) == ("pending", "pending")


def test_a_resolution_before_the_fault_ended_does_not_count() -> None:
    """What resolves by itself while the fault lasts has not shown its recovery."""
    way = line()
    way.take_note(seen(4, active="firing", inbox="resolved"))
    way.ended = FAULT + 10
    assert way.missing == "resolved"


def test_what_cannot_be_delivered_meanwhile_is_far_enough_when_it_fires() -> None:
    """Its fault ends before its notification can come."""
    way = line(Drilled("A", {"service": "gateway"}, heard_afterwards=True))
    way.take_note(seen(3, active="firing"))
    assert way.far_enough


def test_the_watchdogs_alarm_is_its_silence() -> None:
    """It counts from when the inbox misses it to when it is heard again."""
    way = line(Drilled("Watchdog"))
    for at, state in ((1, "ok"), (8, "silent"), (9, "silent")):
        way.take_note(Seen(FAULT + at, [], [], state))
    way.ended = FAULT + 10
    way.take_note(Seen(FAULT + 10.5, [], [], "silent"))
    assert way.missing == "resolved"
    way.take_note(Seen(FAULT + 12, [], [], "ok"))
    assert [way.after_fault(step) for step in STEPS] == pytest.approx([8, 8, 8, 10, 12])


@pytest.mark.parametrize(
    ("speed", "alert", "window", "lasts"),
    [
        (1.0, "HighErrorRatio", 300, 120),
        (1.0, "ErrorBudgetBurnSteady", 3 * 86_400, 0),
        (10.0, "HighErrorRatio", 30, 12),
        (10.0, "ErrorBudgetBurnSteady", 90, 0),
        (10.0, "TargetDown", 0, 6),
    ],
)
def test_patience_is_what_the_rules_windows_say(
    tmp_path: Path, speed: float, alert: str, window: float, lasts: float
) -> None:
    """Those of the alert's own expression, and of the rules that record what it uses."""
    plan = Plan(ROOT, tmp_path, DEFAULTS, speed)
    render(ROOT, plan.config, addresses={}, secrets_dir=plan.secrets, speed=speed)
    found = patience(plan)[alert]
    assert (found.window, found.lasts) == (window, lasts)
    assert found.to_delivery >= window + lasts + 60


def test_without_rendered_rules_the_mend_is_named(tmp_path: Path) -> None:
    """A stack that was not started by `make up` has none."""
    with pytest.raises(OpsError, match="make up"):
        patience(Plan(ROOT, tmp_path, DEFAULTS))


def test_the_table_says_what_was_never_seen() -> None:
    """One line an alert, below its fault."""
    way = line()
    way.take_note(seen(2, active="pending"))
    shown = table([way]).splitlines()
    assert shown[1] == "a fault"
    assert shown[2].split() == ["A", "1.0", "s", "never", "never", "never", "never"]


def test_a_drill_with_a_step_missing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The exit status is 1, and the last line says which step of which alert."""
    way = line()
    way.take_note(seen(2, active="pending"))
    plan = Plan(ROOT, tmp_path, DEFAULTS, speed=20)
    monkeypatch.setattr("stack.ops.drill.cli.running_plan", lambda _: plan)
    monkeypatch.setattr("stack.ops.drill.cli.drill", lambda *_: [way])
    ended = CliRunner().invoke(fire_drill, ["A"])
    assert ended.exit_code == 1
    assert "1 of 1 drills failed: A was never firing" in " ".join(ended.output.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_a_drill_and_further_ones_do_not_disturb_its_end(
    number: signal.Signals,
) -> None:
    """The faults are ended between the first and what the caller sees of it."""
    before, told, ended = signal.getsignal(number), list[str](), list[str]()

    def be_drilled() -> None:
        try:
            signal.raise_signal(number)
        finally:
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(each)
            ended.append("the fault")

    with pytest.raises(Interrupted) as caught, interruptible(told.append):
        be_drilled()
    assert ended == ["the fault"]
    assert caught.value.number == number
    assert told == ["ending the faults …"]
    assert signal.getsignal(number) == before


def test_a_fault_is_renewed_while_its_drill_lasts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would end by itself before a window of hours has gone by; at the end it is ended."""
    asked: list[str] = []
    monkeypatch.setattr("stack.ops.drill.levers._FAULT_SECONDS", 0.05)
    monkeypatch.setattr(Levers, "_ask", lambda _, method, *__, **___: asked.append(method))
    levers = Levers(Plan(ROOT, tmp_path, DEFAULTS))
    with levers.fault("llm", kind="error"):
        ends = time.monotonic() + 10
        while asked.count("POST") < 3 and time.monotonic() < ends:
            time.sleep(0.01)
    levers.close()
    assert asked.count("POST") >= 3
    assert asked[-1] == "DELETE"


@pytest.mark.parametrize(
    ("duration", "said"),
    [(68, "68 s"), (1200, "20 minutes"), (9000, "2.5 hours"), (3 * 86_400 + 240, "3 days")],
)
def test_waiting_is_said_as_people_say_it(duration: float, said: str) -> None:
    """So that who drills at full speed knows before that it can take days."""
    assert roughly(duration) == said
