"""What tracing tells the other pillars: how many spans went where."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, int], None]

_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener(outcome, count)` for spans exported, dropped or failed.

    Returns:
        A function that ends the subscription.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def publish(outcome: str, count: int) -> None:
    """Tell the listeners; one that fails is none of the exporter's business."""
    for listener in tuple(_listeners):
        try:
            listener(outcome, count)
        except Exception:  # noqa: S112 -- telemetry about telemetry must not stop it
            continue
