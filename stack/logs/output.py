"""Where lines go, for which service, from which level on."""

from __future__ import annotations

import os
import sys
from collections import deque
from threading import RLock
from typing import Any

from stack.logs import events
from stack.logs.record import encode
from stack.logs.repeats import Repeats

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
# How long a fork waits, in seconds, for a line under way to a reader that does not read.
_FORK_PATIENCE = 1.0
_MAX_WAITING = 1000


class _Output:
    """The process's one output.

    Thread-safe. A signal handler or a `__del__` may write while its own thread is writing: its line
    follows the interrupted one. No line is under way while the process forks, so that standard
    output is usable in the child; lines written meanwhile follow in the parent.
    """

    def __init__(self) -> None:
        self.service = "unknown_service"
        self.threshold = LEVELS["info"]
        self.repeats = Repeats(0)
        self._begin_anew()

    def write(self, record: dict[str, Any], kind: str) -> None:
        """Write one line at once; a closed or full output never reaches the caller.

        Args:
            record: the line.
            kind: what it has in common with lines that repeat it.
        """
        component, level = record["component"], record["level"]
        if self.repeats.limit:
            held = self.repeats.passes(record["logger"], level, kind)
            if held is None:
                events.publish(component, level)
                events.publish_held(level)
                return
            if held:
                record["repeats_held_back"] = held
        self._waiting.append(encode(record).decode("utf-8"))
        if not self._forking:
            self._write_waiting()
        events.publish(component, level)

    def before_fork(self) -> None:
        """Wait for the line under way; the child would find its lock held for ever."""
        self._forking = True
        self._lock.acquire(timeout=_FORK_PATIENCE)

    def after_fork_in_parent(self) -> None:
        """Go on with the lines that were written meanwhile."""
        self._forking = False
        try:
            self._lock.release()
        except RuntimeError:
            # Waiting was in vain: the thread that holds it writes the others' lines too.
            return
        self._write_waiting()

    def after_fork_in_child(self) -> None:
        """Begin anew: what waits is the parent's to write."""
        self._begin_anew()
        self.repeats.renew_lock()

    def _begin_anew(self) -> None:
        self._lock = RLock()
        self._waiting: deque[str] = deque()
        self._writing = False
        self._forking = False

    def _write_waiting(self) -> None:
        waiting = self._waiting
        with self._lock:
            # When this interrupts a write of the same thread, that one takes the line; a fork that
            # waits for the lock gets it after one line, and the others follow when it is done.
            while waiting and not (self._writing or self._forking):
                self._writing = True
                line = ""
                try:
                    line = waiting.popleft()
                    sys.stdout.write(line)
                    sys.stdout.flush()
                except RuntimeError:
                    # This interrupts another's write to standard output: the next line takes it.
                    if len(waiting) < _MAX_WAITING:
                        waiting.appendleft(line)
                    return
                except Exception:  # noqa: S112
                    # The output is closed or full, or a signal handler has written the line.
                    continue
                finally:
                    self._writing = False


output = _Output()
os.register_at_fork(
    before=output.before_fork,
    after_in_parent=output.after_fork_in_parent,
    after_in_child=output.after_fork_in_child,
)
