"""What `stack/telemetry.yaml` asks of every service."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

import stack


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the contract.

    Args:
        name: as queries use it.
        type: counter, gauge or histogram.
        labels: all that its series have.
        when: which services have it; empty for all.
    """

    name: str
    type: str
    labels: frozenset[str]
    when: str


@cache
def metrics() -> tuple[Metric, ...]:
    """Return the metrics of the contract."""
    text = (Path(stack.__file__).parent / "telemetry.yaml").read_text(encoding="utf-8")
    return tuple(
        Metric(each["name"], each["type"], frozenset(each["labels"]), each.get("when", ""))
        for each in yaml.safe_load(text)["metrics"]
    )
