"""Running drills: causes that do not disturb each other together, each watched to its end."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from stack.errors import OpsError
from stack.ops.commands import Progress
from stack.ops.components import Plan
from stack.ops.drill.causes import CAUSES, Cause
from stack.ops.drill.guard import guarded, interruptible
from stack.ops.drill.levers import Levers
from stack.ops.drill.observer import Observer
from stack.ops.drill.patience import Patience, patience, roughly
from stack.ops.drill.timeline import TimeLine
from stack.ops.drill.watching import noting, wait_until_quiet

# Questions per second while a cause shows only under load.
_RATE = 5.0
_LOOK = 0.3


def names() -> list[str]:
    """List the alerts that can be drilled."""
    return sorted(alert.name for cause in CAUSES for alert in cause.alerts)


def choose(wanted: Collection[str]) -> list[Cause]:
    """Return the causes of the alerts wanted, each with only these.

    Raises:
        OpsError: there is no such alert; the message names those that there are.
    """
    for name in wanted:
        if name not in names():
            raise OpsError(f"ALERT={name!r} is no alert; there are ALL, {', '.join(names())}")
    kept = (
        replace(cause, alerts=tuple(a for a in cause.alerts if a.name in wanted))
        for cause in CAUSES
    )
    return [cause for cause in kept if cause.alerts]


def waves(causes: Iterable[Cause]) -> list[list[Cause]]:
    """Put each cause into the first wave in which it disturbs no other."""
    found: list[list[Cause]] = []
    for cause in causes:
        free = (w for w in found if not any(cause.claims & other.claims for other in w))
        wave = next(free, None)
        if wave is None:
            found.append([cause])
        else:
            wave.append(cause)
    return found


def drill(plan: Plan, wanted: Collection[str], progress: Progress) -> list[TimeLine]:
    """Make alerts fire, wait until each has come and gone, and return what was seen of them.

    Args:
        plan: what runs.
        wanted: the alerts' names.
        progress: told each step as it is seen.

    Returns:
        A time line an alert, in the order in which the faults began; see `TimeLine.missing`.

    Raises:
        OpsError: there is no such alert, it fires already, its fault cannot be caused, or another
            drill is going on.
        Interrupted: a signal came; the faults have been ended.
    """
    chosen, bounds = choose(wanted), patience(plan)
    with (
        interruptible(progress),
        guarded(plan, progress),
        closing(Levers(plan)) as levers,
        Observer(plan) as observer,
    ):
        running = _Wave(levers, observer, bounds, progress)
        return [line for wave in waves(chosen) for line in running.run(wave)]


@dataclass(slots=True)
class _Wave:
    """Causes that go on at the same time."""

    levers: Levers
    observer: Observer
    bounds: dict[str, Patience]
    progress: Progress

    def run(self, causes: Sequence[Cause]) -> list[TimeLine]:
        with ExitStack() as during, ThreadPoolExecutor(len(causes)) as pool:
            if any(cause.needs_load for cause in causes):
                during.enter_context(self.levers.load(_RATE))
            try:
                going = [pool.submit(self._run, cause) for cause in causes]
                left = set(going)
                # In short waits: a signal that another thread has got is seen only between them.
                while left:
                    done, left = wait(left, timeout=_LOOK, return_when=FIRST_EXCEPTION)
                    for each in done:
                        each.result()
                return [line for each in going for line in each.result()]
            except BaseException:
                # The faults are ended by their threads, which wait for nothing more.
                self.observer.stop()
                raise

    def _run(self, cause: Cause) -> list[TimeLine]:
        bounds = [self.bounds[alert.name] for alert in cause.alerts]
        to_delivery = max(each.to_delivery for each in bounds)
        to_resolution = max(each.to_resolution for each in bounds)
        wait_until_quiet(self.observer, cause.alerts, self.progress)
        self.progress(
            f"{cause.what}: waiting for its alerts for up to {roughly(to_delivery)}, "
            f"then for their end for up to {roughly(to_resolution)} …"
        )
        began = time.time()
        lines = [TimeLine(alert, cause.what, began) for alert in cause.alerts]
        look = noting(lines, self.progress)
        with cause.on(self.levers):
            self.observer.until(
                lambda seen: look(seen) and all(line.far_enough for line in lines),
                to_delivery,
            )
        for line in lines:
            line.ended = time.time()
        self.observer.until(
            lambda seen: look(seen) and all(line.complete for line in lines),
            to_resolution,
        )
        return lines
