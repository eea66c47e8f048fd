"""The guide to fire drills shows the time line of every alert, as a drill prints it."""

import re
from pathlib import Path

from stack.ops.drill.causes import CAUSES
from stack.ops.drill.run import names

TEXT = (Path(__file__).parents[2] / "docs" / "fire-drills.md").read_text(encoding="utf-8")
LINE = re.compile(r"^  (\w+)((?: +\d+\.\d s){5})$", re.MULTILINE)


def block(mark: str) -> str:
    """Return the output below a mark."""
    (found,) = re.findall(rf"^<!-- {mark} -->\n```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_guide_shows_every_alert_and_every_fault() -> None:
    """None that was never seen, none of an earlier day."""
    shown = block("all")
    assert sorted(name for name, _ in LINE.findall(shown)) == names()
    faults = [line for line in shown.splitlines() if line and not line.startswith(" ")]
    assert sorted(faults[:-1]) == sorted(cause.what for cause in CAUSES)
    assert faults[-1].startswith(f"{len(names())} of {len(names())} alerts arrived")


def test_with_real_durations_a_notification_takes_the_rules_time_and_15_seconds() -> None:
    """As the guide says, and its figures show: firing after pending by `for`, then delivered."""
    lines = LINE.findall(block("real"))
    assert len(lines) >= 4
    for name, times in lines:
        pending, firing, delivered, *_ = (float(each) for each in re.findall(r"\d+\.\d", times))
        assert firing >= pending, name
        assert delivered - firing <= 15, name
