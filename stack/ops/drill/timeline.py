"""When each step of an alert's way was seen, from the fault to the resolution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stack.ops.drill.causes import Drilled
from stack.ops.drill.observer import Seen

WATCHDOG = "Watchdog"
STEPS = ("pending", "firing", "delivered", "ended", "resolved")
# The clocks of Prometheus and of this process agree, but for rounding.
_ROUNDING = 0.5


@dataclass(slots=True)
class TimeLine:
    """One alert's; all times are Unix seconds, None for a step that has not been seen.

    Args:
        alert: which one.
        cause: what made it fire.
        fault: when that began.
    """

    alert: Drilled
    cause: str
    fault: float
    pending: float | None = None
    firing: float | None = None
    delivered: float | None = None
    ended: float | None = None
    resolved: float | None = None

    @property
    def far_enough(self) -> bool:
        """Tell whether the fault has done its part."""
        reached = self.firing if self.alert.heard_afterwards else self.delivered
        return reached is not None

    @property
    def complete(self) -> bool:
        """Tell whether every step has been seen."""
        return self.missing is None

    @property
    def missing(self) -> str | None:
        """Name the first step that has not been seen; None when all have."""
        return next((step for step in STEPS if getattr(self, step) is None), None)

    def after_fault(self, step: str) -> float | None:
        """Return the seconds from the fault to a step; None when it has not been seen."""
        seen: float | None = getattr(self, step)
        return None if seen is None else max(0.0, seen - self.fault)

    def take_note(self, seen: Seen) -> None:
        """Fill in the steps that can be seen now."""
        if self.alert.name == WATCHDOG:
            self._note_silence(seen)
            return
        for alert in seen.active(self.alert):
            self.pending = self.pending or max(self.fault, _seconds(alert["activeAt"]))
            if alert["state"] == "firing":
                self.firing = self.firing or seen.at
        for stored in seen.stored(self.alert):
            if _seconds(stored["starts_at"]) >= self.fault - _ROUNDING:
                self._note_arrival(stored)

    def _note_arrival(self, stored: dict[str, Any]) -> None:
        arrived = _seconds(stored["received_at"])
        # Prometheus says when it began to fire; it may have come before the next look at it.
        self.firing = min(self.firing or arrived, arrived, _seconds(stored["starts_at"]))
        self.pending = min(self.pending or self.firing, self.firing)
        self.delivered = self.delivered or arrived
        if stored["status"] == "resolved" and self.ended is not None:
            self.resolved = self.resolved or _seconds(stored["updated_at"])

    def _note_silence(self, seen: Seen) -> None:
        """The Watchdog's alarm is its silence, which the inbox itself notices."""
        if seen.watchdog == "silent":
            self.pending = self.firing = self.delivered = self.firing or seen.at
        elif self.ended is not None and self.firing is not None:
            self.resolved = self.resolved or seen.at


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
