"""One time limit for all that an attempt does: connecting, sending, waiting, reading."""

from __future__ import annotations

import time

import httpx

from stack.http.body import watch


class Deadline(dict[str, float]):
    """What httpx asks for the timeout of each of its steps: the time that is left.

    Args:
        ends: monotonic seconds.
    """

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def __missing__(self, step: str) -> float:
        # A timeout of 0 would mean not to wait at all.
        return max(0.001, self._ends - time.monotonic())

    def get(self, step: str, default: object = None) -> float:
        """Return the seconds left for a step, such as `connect` or `read`."""
        return self[step]

    def bound(self, response: httpx.Response) -> None:
        """Let reading the response's body end with the deadline too.

        A body that comes in small pieces for ever must not take for ever.
        """
        watch(response, piece=self.check)

    def check(self) -> None:
        """Stop when time is up.

        Raises:
            httpx.ReadTimeout: it is.
        """
        if time.monotonic() >= self._ends:
            raise httpx.ReadTimeout("the answer took too long")
