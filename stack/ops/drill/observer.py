"""What Prometheus and the inbox say of the alerts, looked at again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.drill.causes import Drilled

_PAUSE = 0.3
_NEWEST = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """One look.

    Args:
        at: Unix seconds.
        alerts: those of Prometheus, pending and firing.
        inbox: the newest of the inbox.
        watchdog: ok, silent or never.
    """

    at: float
    alerts: list[dict[str, Any]]
    inbox: list[dict[str, Any]]
    watchdog: str

    def active(self, wanted: Drilled) -> list[dict[str, Any]]:
        """List what is pending or firing of an alert."""
        return [each for each in self.alerts if _is(each, wanted)]

    def stored(self, wanted: Drilled) -> list[dict[str, Any]]:
        """List what the inbox has of an alert."""
        return [each for each in self.inbox if _is(each, wanted)]


class Observer:
    """Looks three times a second while its context lasts. Thread-safe.

    Args:
        plan: what runs.

    Raises:
        OpsError: Prometheus or the inbox does not answer.
    """

    def __init__(self, plan: Plan) -> None:
        self._prometheus = plan.url("PROMETHEUS_PORT", "/api/v1/alerts")
        self._inbox = plan.url("INBOX_PORT", "/api/alerts")
        self._http = httpx.Client(timeout=5.0)
        self._news = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        try:
            self._seen = self._look()
        except (httpx.HTTPError, KeyError, ValueError) as error:
            self._http.close()
            raise OpsError(f"the stack does not answer ({error}); see `make status`") from error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join()
        self._http.close()

    def stop(self) -> None:
        """Make an end of all waiting."""
        self._over.set()
        with self._news:
            self._news.notify_all()

    def until(self, met: Callable[[Seen], bool], deadline: float) -> bool:
        """Wait until `met` is true of what is seen, for `deadline` seconds at most; tell which."""
        ends = time.monotonic() + deadline
        with self._news:
            while not met(self._seen):
                left = ends - time.monotonic()
                if left <= 0 or self._over.is_set():
                    return False
                self._news.wait(left)
        return True

    def latest(self) -> Seen:
        """Return the last look."""
        with self._news:
            return self._seen

    def _look_on(self) -> None:
        while not self._over.wait(_PAUSE):
            try:
                seen = self._look()
            except (httpx.HTTPError, KeyError, ValueError):
                # One of them may be what is being drilled.
                continue
            with self._news:
                self._seen = seen
                self._news.notify_all()

    def _look(self) -> Seen:
        active = self._http.get(self._prometheus).raise_for_status().json()
        inbox = self._http.get(self._inbox, params={"limit": _NEWEST}).raise_for_status().json()
        return Seen(
            time.time(), active["data"]["alerts"], inbox["alerts"], inbox["watchdog"]["state"]
        )


def _is(alert: dict[str, Any], wanted: Drilled) -> bool:
    labels: dict[str, str] = alert["labels"]
    return {"alertname": wanted.name, **wanted.labels}.items() <= labels.items()
