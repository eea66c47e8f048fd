"""What drills and chaos share: quiet before a fault, and each step of an alert told as it comes."""

from __future__ import annotations

from collections.abc import Callable, Collection

from stack.errors import OpsError
from stack.ops.commands import Progress
from stack.ops.drill.causes import Drilled
from stack.ops.drill.observer import Observer, Seen
from stack.ops.drill.timeline import STEPS, WATCHDOG, TimeLine

# What is left of an earlier drill has to be over before the next.
_QUIET_WITHIN = 60.0


def wait_until_quiet(
    observer: Observer,
    alerts: Collection[Drilled],
    progress: Progress,
    within: float = _QUIET_WITHIN,
) -> None:
    """Make sure that what fires afterwards fires for the fault.

    Args:
        observer: sees what fires.
        alerts: those that must not.
        progress: told if some have to be waited for.
        within: seconds for which they are.

    Raises:
        OpsError: one of the alerts goes on firing.
    """
    loud: list[str] = []

    def quiet(seen: Seen) -> bool:
        found = [
            alert.name
            for alert in alerts
            if alert.name != WATCHDOG
            and (
                seen.active(alert) or any(each["status"] == "firing" for each in seen.stored(alert))
            )
        ]
        if found and not loud:
            progress(f"{', '.join(found)}: fires already; waiting for its end …")
        loud[:] = found
        return not found

    if not observer.until(quiet, within):
        raise OpsError(
            f"{', '.join(loud)}: fires already; wait until it is resolved, then drill it"
        )


def noting(lines: Collection[TimeLine], progress: Progress) -> Callable[[Seen], bool]:
    """Return what takes note of what is seen, tells of each new step, and is true."""
    told: set[tuple[str, str]] = set()

    def look(seen: Seen) -> bool:
        for line in lines:
            line.take_note(seen)
            for step in STEPS:
                after, key = line.after_fault(step), (line.alert.name, step)
                if step != "ended" and after is not None and key not in told:
                    told.add(key)
                    progress(f"{after:6.1f} s  {line.alert.name} {step}")
        return True

    return look
