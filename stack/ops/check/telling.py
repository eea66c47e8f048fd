"""What is told of a stranger: why something cannot be checked, and its texts without harm."""

from __future__ import annotations

_MAX_SEEN = 300


class CannotCheckError(Exception):
    """A point cannot be checked; the message says why. It is no fault of the service."""


def shown(text: str) -> str:
    """Return a text of a stranger's in one line that does a terminal no harm."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= _MAX_SEEN else f"{line[:_MAX_SEEN]}…"
