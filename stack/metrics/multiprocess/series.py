"""What the cells mean: the append-only lines of a process's `.keys` file.

Each line is `<crc32 of the rest> <cell> <what>`, where what is a JSON list for a new series,
`@<unit>` for the place of its exemplar, or `-` for a series that is no more.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import Gauge

TYPES = frozenset({"counter", "gauge", "histogram", "summary"})
MODES: frozenset[str] = Gauge._MULTIPROC_MODES


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One value of one metric. The same text gives the same object, so identity is equality."""

    type: str
    metric: str
    sample: str
    labels: tuple[tuple[str, str], ...]
    help: str
    mode: str
    text: str

    @property
    def bound(self) -> float | None:
        """The upper bound of a histogram's bucket; None for any other series."""
        if self.type == "histogram" and self.labels and self.labels[-1][0] == "le":
            return float(self.labels[-1][1])
        return None


@dataclass(frozen=True, slots=True)
class Line:
    """One parsed line: a new series, the place of an exemplar, or the end of a series."""

    cell: int
    series: Series | None = None
    slot: int | None = None


def describe(  # noqa: PLR0917 -- called with what prometheus_client gives by position
    typ: str,
    metric: str,
    sample: str,
    names: Sequence[str],
    values: Sequence[str],
    text: str,
    mode: str,
) -> str:
    """Return the JSON that means one series; what UTF-8 cannot hold becomes `?`."""
    labels = [[name, _clean(value)] for name, value in zip(names, values, strict=True)]
    parts = [typ, metric, sample, labels, _clean(text), mode]
    return json.dumps(parts, separators=(",", ":"))


def encode(cell: int, what: str) -> bytes:
    """Return one line of a `.keys` file."""
    body = f"{cell} {what}".encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


@lru_cache(maxsize=65_536)
def parse(line: bytes) -> Line | None:
    """Understand one line without its newline; None when it is damaged in any way."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    cell, _, what = body.decode("ascii", "replace").partition(" ")
    if not (cell.isdigit() and len(cell) < 10):
        return None
    if what == "-":
        return Line(int(cell))
    if what.startswith("@"):
        return Line(int(cell), slot=int(what[1:])) if what[1:].isdigit() else None
    series = parse_series(what)
    return Line(int(cell), series=series) if series else None


@lru_cache(maxsize=65_536)
def parse_series(text: str) -> Series | None:
    """Understand the JSON of one series; None when it is not one."""
    try:
        typ, metric, sample, labels, help_text, mode = json.loads(text)
        pairs = tuple((name, value) for name, value in labels)
        series = Series(typ, metric, sample, pairs, help_text, mode, text)
        usable = _usable(series)
    except (ValueError, TypeError):
        return None
    return series if usable else None


def _usable(series: Series) -> bool:
    texts = (
        series.metric,
        series.sample,
        series.help,
        *(t for pair in series.labels for t in pair),
    )
    if not all(isinstance(text, str) for text in texts):
        return False
    if series.type == "gauge":
        return series.mode in MODES
    bound = series.bound
    return series.type in TYPES and not (bound is not None and math.isnan(bound))


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
