"""Fields that belong to every line of a piece of work, kept in context variables."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

# A dict in here is never changed, only replaced.
_fields: ContextVar[dict[str, Any]] = ContextVar("stack_log_context", default={})  # noqa: B039
# The blocks entered in this thread or task, each with the fields that were in force before it.
_entered: ContextVar[tuple[tuple[LogContext, dict[str, Any]], ...]] = ContextVar(
    "stack_log_blocks", default=()
)


class LogContext:
    """Adds fields to every line written inside of the `with` block, in this thread or task.

    Blocks nest; leaving one restores what was before, whatever was set inside. One object may be
    entered again, also by several threads or tasks at once: what is restored is kept with them.

    Args:
        fields: names and values.
    """

    __slots__ = ("_added",)

    def __init__(self, **fields: Any) -> None:
        self._added = fields

    def __enter__(self) -> LogContext:
        before = _fields.get()
        _entered.set((*_entered.get(), (self, before)))
        _fields.set({**before, **self._added})
        return self

    def __exit__(self, *_: object) -> None:
        blocks = _entered.get()
        for place in reversed(range(len(blocks))):
            block, before = blocks[place]
            if block is self:
                _entered.set((*blocks[:place], *blocks[place + 1 :]))
                _fields.set(before)
                return


def set_context(**fields: Any) -> None:
    """Add fields to every following line of this thread or task.

    Args:
        fields: names and values; they last until the `LogContext` block around ends, or
            `clear_context`.
    """
    _fields.set({**_fields.get(), **fields})


def get_current_context() -> dict[str, Any]:
    """Return a copy of the fields in force in this thread or task."""
    return dict(_fields.get())


def clear_context() -> None:
    """Remove all fields of this thread or task."""
    _fields.set({})


def current() -> Mapping[str, Any]:
    """Return the fields in force without a copy; nobody may change them."""
    return _fields.get()
