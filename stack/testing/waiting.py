"""Waiting with a deadline, for a container and for what a test looks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from testcontainers.core.exceptions import ContainerStartException
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

T = TypeVar("T")

_RUNS = frozenset({"created", "running", "restarting"})
_READY_WITHIN = 60
_LINES_SHOWN = 3


def eventually(
    find: Callable[[], T | None], what: str, *, seconds: float = 30.0, pause: float = 0.1
) -> T:
    """Ask again until there is something.

    Args:
        find: asked each time; what it raises is passed on.
        what: that which is waited for, as the error says it.
        seconds: until it is given up.
        pause: seconds between two attempts.

    Returns:
        The first answer that is true: a list that is not empty, a trace …

    Raises:
        TimeoutError: there was none in time; the message has `what` and the last answer.
    """
    ends = time.monotonic() + seconds
    while True:
        found = find()
        if found:
            return found
        if time.monotonic() > ends:
            raise TimeoutError(f"{what}: not within {seconds:g} s; last seen: {found!r}")
        time.sleep(pause)


class Answering(WaitStrategy):
    """Waits until a path answers 200, for 60 seconds, and no longer once the container has ended.

    Args:
        port: the container's.
        path: what is asked for.
    """

    def __init__(self, port: int, path: str) -> None:
        super().__init__()
        self.with_startup_timeout(_READY_WITHIN).with_poll_interval(0.1)
        self._port = port
        self._path = path

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        """Wait.

        Raises:
            ContainerStartException: it has ended; the message has the last lines it wrote.
            TimeoutError: it did not answer in time.
        """
        ends = time.monotonic() + self._startup_timeout
        while not self._answers(container):
            container.reload()
            if container.status not in _RUNS:
                raise ContainerStartException(
                    f"the container ended before it was ready: {_last_lines(container)}"
                )
            if time.monotonic() > ends:
                raise TimeoutError(f"{self._path}: no 200 within {self._startup_timeout:g} s")
            time.sleep(self._poll_interval)

    def _answers(self, container: WaitStrategyTarget) -> bool:
        try:
            port = container.get_exposed_port(self._port)
            url = f"http://{container.get_container_host_ip()}:{port}{self._path}"
            return httpx.get(url, timeout=1.0, trust_env=False).status_code == 200
        except (httpx.TransportError, httpx.InvalidURL, OSError):
            # Not yet, or it has ended and has no address any more.
            return False


def _last_lines(container: WaitStrategyTarget) -> str:
    written = b"\n".join(container.get_logs()).decode(errors="replace")
    return "\n".join([line for line in written.splitlines() if line][-_LINES_SHOWN:])
