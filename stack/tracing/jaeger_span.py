"""A span as it is kept: what is searched for in fields, the rest in Jaeger's own JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JaegerSpan:
    """One finished span; ids are lower-case hex, times are microseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    operation: str
    kind: str
    start: int
    duration: int
    process: dict[str, Any]
    body: dict[str, Any]
