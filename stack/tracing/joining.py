"""Joining a trace of which only the id is known."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

_joined: ContextVar[int] = ContextVar("stack_joined_trace", default=0)


class JoiningIdGenerator(IdGenerator):
    """Gives a span without a parent the id of the joined trace, else one of another generator.

    Thread-safe and fork-safe as that one is.

    Args:
        others: gives all other ids; random ones when not given.
    """

    def __init__(self, others: IdGenerator | None = None) -> None:
        self._others = others or RandomIdGenerator()

    def generate_span_id(self) -> int:
        """Return a span id, never 0."""
        return self._others.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return a trace id, never 0."""
        return _joined.get() or self._others.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Tell whether the ids given now are random."""
        return not _joined.get() and self._others.is_trace_id_random()


def joining(ids: IdGenerator) -> IdGenerator:
    """Return a generator of these ids that also joins traces."""
    return ids if isinstance(ids, JoiningIdGenerator) else JoiningIdGenerator(ids)


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
