"""The requests that a check sends, each in a trace of its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

# What the paths of a check begin with.
CHECKED = "/check-"


@dataclass(slots=True)
class Sent:
    """A request and its answer.

    Args:
        method: GET or POST.
        path: what was asked for.
        sampled: whether its trace is to be kept.
        status: the answer's; 0 as long as there is none.
    """

    method: str
    path: str
    sampled: bool = True
    status: int = 0
    trace_id: str = field(default_factory=lambda: _identifier(16))
    span_id: str = field(default_factory=lambda: _identifier(8))

    @property
    def traceparent(self) -> str:
        """The header that makes the service's span a child of ours."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def _identifier(size: int) -> str:
    # All zeros mean none, and that a random number may be.
    return secrets.token_hex(size - 1) + "a1"


def unknown_path() -> str:
    """Return a path that no service has; it holds an id that is found again."""
    return f"{CHECKED}{secrets.token_hex(6)}"
