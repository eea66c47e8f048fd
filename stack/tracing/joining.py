"""Joining a trace of which only the id is known."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

_joined: ContextVar[int] = ContextVar("stack_joined_trace", default=0)


class JoiningIdGenerator(RandomIdGenerator):
    """Gives a span without a parent the id of the joined trace, else a random one."""

    def generate_trace_id(self) -> int:
        """Return a trace id, never 0."""
        return _joined.get() or super().generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Tell whether the ids given now are random."""
        return not _joined.get() and super().is_trace_id_random()


def join(trace_id: str) -> None:
    """Let the following spans without a parent, in this thread or task, be of that trace.

    Args:
        trace_id: 32 hex digits, not all zero.

    Raises:
        ValueError: it is no trace id.
    """
    _joined.set(parse_trace_id(trace_id))


def leave() -> None:
    """Let the following spans without a parent begin traces of their own."""
    _joined.set(0)


def parse_trace_id(trace_id: str) -> int:
    """Return a trace id as a number.

    Raises:
        ValueError: it is none.
    """
    usable = isinstance(trace_id, str) and len(trace_id) == 32 and trace_id.isascii()
    try:
        number = int(trace_id, 16) if usable and trace_id.isalnum() else 0
    except ValueError:
        number = 0
    if not number:
        raise ValueError(f"trace_id={trace_id!r} is not valid: must be 32 hex digits, not all 0")
    return number
