"""What the logs tell the other pillars: who wrote a line, and at which level."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, str], None]

_listeners: tuple[Listener, ...] = ()


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener(component, level)` for each line written.

    Returns:
        A function that ends the subscription.
    """
    global _listeners  # noqa: PLW0603
    if listener not in _listeners:
        _listeners = (*_listeners, listener)

    def unsubscribe() -> None:
        global _listeners  # noqa: PLW0603
        _listeners = tuple(each for each in _listeners if each != listener)

    return unsubscribe


def publish(component: str, level: str) -> None:
    """Tell the listeners; a failing one never loses a line."""
    for listener in _listeners:
        try:
            listener(component, level)
        except Exception:  # noqa: S112 -- logging the failure would come here again
            continue
