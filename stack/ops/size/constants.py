"""The measured constants: read from `measured.yaml`, which `benchmarks.sizing --write` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from stack.errors import ConfigurationError

FILE = Path(__file__).with_name("measured.yaml")

# Name of a constant and the unit in which it is kept; to add one, add a line here and measure it.
UNITS = {
    "series_per_instance": "series",
    "base_series": "series",
    "component_series": "series",
    "memory_per_series": "B",
    "base_memory": "B",
    "disk_per_sample": "B",
    "wal_per_sample": "B",
    "cpu_per_1000_samples": "s",
    "base_cpu": "processors",
    "scrape_per_instance": "B",
    "base_scrape": "B",
    "component_scrape": "B",
    "spans_per_request": "spans",
    "wire_per_span": "B",
    "disk_per_span": "B",
    "jaeger_memory": "B",
    "cpu_per_1000_spans": "s",
}


@dataclass(frozen=True, slots=True)
class Constant:
    """One measured number.

    Args:
        value: in `unit`.
        unit: what it is counted in.
        command: what measured it.
    """

    value: float
    unit: str
    command: str


def read_constants(path: Path = FILE) -> dict[str, Constant]:
    """Return the constants by name.

    Raises:
        ConfigurationError: one is missing, in another unit, or not above zero.
    """
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))["constants"]
    return {name: _constant(name, listed.get(name), unit) for name, unit in UNITS.items()}


def _constant(name: str, found: object, unit: str) -> Constant:
    if not isinstance(found, Mapping) or found.get("unit") != unit:
        raise ConfigurationError(name, found, f"a mapping with unit {unit}, value and command")
    value = found.get("value")
    if not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{name}.value", value, f"a number of {unit} above 0")
    return Constant(float(value), unit, str(found.get("command", "")))
