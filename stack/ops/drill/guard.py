"""One drill at a time, ended in order: by a signal, and by the next drill if it was killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import NoReturn

from stack.ops import run_folder
from stack.ops.commands import Progress
from stack.ops.components import Plan
from stack.ops.drill.levers import Levers

# The terminal is closed, Ctrl-C, and what a job's runner sends.
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asks for the end.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def guarded(plan: Plan, progress: Progress) -> Iterator[None]:
    """Keep other drills away, and first put back what one has left that was killed.

    Args:
        plan: what runs.
        progress: told when there is something to put back.

    Raises:
        OpsError: another drill is going on, or something cannot be put back.
    """
    with run_folder.locked(plan.run_dir, "drill.lock", "another drill is going on") as descriptor:
        if os.fstat(descriptor).st_size:
            progress("putting back what an earlier drill may have left …")
            with closing(Levers(plan)) as levers:
                levers.put_everything_back()
        # What is written stays there unless the drill comes to its end.
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)


@contextmanager
def interruptible(progress: Progress) -> Iterator[None]:
    """Turn the first signal that asks for the end into `Interrupted`; ignore those after it.

    So whoever presses Ctrl-C twice does not keep faults from being ended. Does nothing in other
    threads than the first, which get no signals.
    """

    def end(number: int, _: FrameType | None) -> NoReturn:
        for each in _SIGNALS:
            # One that has come already would be complained of under SIG_IGN.
            signal.signal(each, lambda *_: None)
        with suppress(OSError):
            progress("ending the faults …")
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, end) for each in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
