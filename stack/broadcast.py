"""How one part tells others what happened without knowing them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")

_log = logging.getLogger(__name__)


class Broadcast(Generic[P]):
    """Calls all who listen. Thread-safe: subscribing replaces a tuple that nobody changes.

    Args:
        complain: log the exception of a listener that fails; never when what is told is a log line.
    """

    def __init__(self, *, complain: bool = True) -> None:
        self.listeners: tuple[Callable[P, None], ...] = ()
        self._complain = complain

    def subscribe(self, listener: Callable[P, None]) -> Callable[[], None]:
        """Call `listener` from now on; one that listens already is not called twice.

        Returns:
            A function that ends the subscription.
        """
        if listener not in self.listeners:
            self.listeners = (*self.listeners, listener)

        def unsubscribe() -> None:
            self.listeners = tuple(each for each in self.listeners if each != listener)

        return unsubscribe

    def publish(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the listeners; one that fails stops neither the others nor the caller."""
        for listener in self.listeners:
            try:
                listener(*args, **kwargs)
            except Exception:
                if self._complain:
                    _log.exception("a listener failed")
