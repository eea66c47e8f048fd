"""One fault: what it does, how often and for how long."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

KINDS = ("latency", "error", "hang", "drop", "cpu", "memory")

# Field: lowest and highest value, and whether it is a whole number.
_BOUNDS: dict[str, tuple[float, float, bool]] = {
    "probability": (0.0, 1.0, False),
    "duration_seconds": (0.1, 3600.0, False),
    "latency_seconds": (0.0, 60.0, False),
    "status": (400, 599, True),
    "megabytes": (1, 1024, True),
}


class InvalidFaultError(ValueError):
    """A fault's description is wrong."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} is not valid: must be {allowed}")
        self.field = field
        self.value = value

    def as_json(self) -> dict[str, str]:
        """Return the parts of the answer's `error`."""
        return {"field": self.field, "value": repr(self.value)[:200], "message": str(self)}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is on until `ends_at` (Unix seconds).

    Args:
        kind: one of `KINDS`.
        probability: the ratio 0–1 of requests it happens to.
        duration_seconds: when it ends by itself.
        latency_seconds: the delay of `latency`, the busy time of `cpu`.
        status: the answer of `error`.
        megabytes: what `memory` holds in each worker.
        path: only requests whose path begins with it.
        ends_at: Unix seconds.
    """

    kind: str
    probability: float = 1.0
    duration_seconds: float = 60.0
    latency_seconds: float = 1.0
    status: int = 500
    megabytes: int = 64
    path: str = "/"
    ends_at: float = 0.0

    @classmethod
    def parse(cls, body: object) -> Fault:
        """Read a description as JSON gives it.

        Raises:
            InvalidFaultError: something is missing, unknown or out of bounds.
        """
        if not isinstance(body, dict):
            raise InvalidFaultError("body", body, 'a JSON object such as {"kind": "latency"}')
        names = {f.name for f in fields(cls)} - {"ends_at"}
        for unknown in body.keys() - names:
            raise InvalidFaultError(unknown, body[unknown], f"one of {', '.join(sorted(names))}")
        if body.get("kind") not in KINDS:
            raise InvalidFaultError("kind", body.get("kind"), f"one of {', '.join(KINDS)}")
        if not isinstance(body.get("path", "/"), str):
            raise InvalidFaultError("path", body["path"], "text such as /ask")
        for name in _BOUNDS.keys() & body.keys():
            _check(name, body[name])
        fault = cls(**body)
        return replace(fault, ends_at=time.time() + fault.duration_seconds)

    def strikes(self, path: str, draw: float) -> bool:
        """Tell whether it happens to a request, given a random number from [0, 1)."""
        return path.startswith(self.path) and draw < self.probability

    def as_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


def _check(name: str, value: object) -> None:
    low, high, whole = _BOUNDS[name]
    types = (int,) if whole else (int, float)
    if not isinstance(value, types) or isinstance(value, bool) or not low <= value <= high:
        number = "a whole number" if whole else "a number"
        raise InvalidFaultError(name, value, f"{number} from {low:g} to {high:g}")
