"""Fields that belong to every line of a piece of work, kept in context variables."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any

# A dict in here is never changed, only replaced.
_fields: ContextVar[dict[str, Any]] = ContextVar("stack_log_context", default={})  # noqa: B039


class LogContext:
    """Adds fields to every line written inside of the `with` block, in this thread or task.

    Blocks nest; leaving one restores what was before, whatever was set inside.

    Args:
        fields: names and values.
    """

    def __init__(self, **fields: Any) -> None:
        self._added = fields
        self._tokens: list[Token[dict[str, Any]]] = []

    def __enter__(self) -> LogContext:
        self._tokens.append(_fields.set({**_fields.get(), **self._added}))
        return self

    def __exit__(self, *_: object) -> None:
        _fields.reset(self._tokens.pop())


def set_context(**fields: Any) -> None:
    """Add fields to every following line of this thread or task."""
    _fields.set({**_fields.get(), **fields})


def get_current_context() -> dict[str, Any]:
    """Return a copy of the fields in force."""
    return dict(_fields.get())


def clear_context() -> None:
    """Remove all fields."""
    _fields.set({})


def current() -> Mapping[str, Any]:
    """Return the fields in force without a copy; nobody may change them."""
    return _fields.get()
