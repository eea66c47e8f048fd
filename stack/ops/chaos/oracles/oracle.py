"""What an oracle is, and how it says when something happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stack.ops.chaos.stage import Stage
from stack.ops.drill.causes import Drilled

DETECTION, CONTAINMENT, RECOVERY = "detection", "containment", "recovery"


@dataclass(frozen=True, slots=True)
class Oracle:
    """One of them.

    Args:
        kind: detection, containment or recovery.
        says: what must be so.
        met: whether it is.
        measured: by which figure.
        within: for how many seconds it is waited for; 0 for what must be so already.
    """

    kind: str
    says: str
    met: Callable[[Stage], bool]
    measured: Callable[[Stage], str]
    within: Callable[[Stage], float] = lambda _: 0.0


def moment(stage: Stage, component: str, *way: str) -> str:
    """Say when a breaker first went a way, in seconds after the fault."""
    found = (t.at for t in stage.transitions if t.component == component and t.way == way)
    at = next(found, None)
    return "never" if at is None else f"{at - stage.began:.1f} s"


def step(stage: Stage, alert: Drilled, name: str) -> str:
    """Say when an alert reached a step, in seconds after the fault."""
    after = stage.lines[alert.name].after_fault(name)
    return "never" if after is None else f"{after:.1f} s"
