"""What a benchmark finds out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Unit = Literal["s", "B"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and what it is compared with.

    Args:
        operation: what was measured.
        value: seconds or bytes of one operation.
        unit: `s` or `B`.
        bare: the same of the operation without the library; None where there is no such thing.
        peer: whose operation it is compared with.
        peer_value: seconds or bytes of that one.
        goal_ratio: the highest ratio to the peer that meets the goal.
        goal_value: the highest value that meets the goal.
    """

    operation: str
    value: float
    unit: Unit = "s"
    bare: float | None = None
    peer: str = ""
    peer_value: float | None = None
    goal_ratio: float | None = None
    goal_value: float | None = None

    @property
    def to_bare(self) -> float | None:
        """How many times the bare operation it costs."""
        return self.value / self.bare if self.bare else None

    @property
    def to_peer(self) -> float | None:
        """How many times the peer's operation it costs."""
        return self.value / self.peer_value if self.peer_value else None

    @property
    def met(self) -> bool | None:
        """Whether every goal is met; None without one."""
        checks = []
        if self.goal_ratio is not None and self.to_peer is not None:
            checks.append(self.to_peer <= self.goal_ratio)
        if self.goal_value is not None:
            checks.append(self.value <= self.goal_value)
        return all(checks) if checks else None

    def as_json(self) -> dict[str, Any]:
        """Return the fields and what follows from them."""
        return {**asdict(self), "to_bare": self.to_bare, "to_peer": self.to_peer, "met": self.met}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The figures of one benchmark.

    Args:
        title: what it is about.
        figures: the numbers.
        notes: what a reader has to know to trust them.
    """

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
