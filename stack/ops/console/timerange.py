"""The time that a page shows: `from` and `to` as Grafana has them, and the step between points."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NAMES = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_RELATIVE = re.compile(r"now(?:-([0-9]{1,6})([smhdw]))?")
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_LONGEST = 366 * 86_400
POINTS = 240
CHOICES = ("now-5m", "now-15m", "now-30m", "now-1h", "now-3h", "now-6h", "now-24h", "now-7d")


class InvalidRangeError(ValueError):
    """A time that cannot be understood; the text names the field, the value and the mend."""


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as `15s`.

    Raises:
        InvalidRangeError: it is none.
    """
    found = _DURATION.fullmatch(duration)
    if not found:
        raise InvalidRangeError(f"{duration!r} is no duration; write one like 15s, 5m or 1h")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From when to when, in Unix seconds.

    Args:
        start: the first second.
        end: the last.
        asked_from: as the address had it.
        asked_to: as the address had it.
        scrape_interval: seconds between two samples.
    """

    start: float
    end: float
    asked_from: str
    asked_to: str
    scrape_interval: float

    @classmethod
    def parse(cls, since: str, until: str, now: float, scrape_interval: float) -> TimeRange:
        """Read `now-30m`, `now` or milliseconds since 1970.

        Raises:
            InvalidRangeError: one cannot be read, or they are in the wrong order or too far apart.
        """
        start, end = _moment("from", since, now), _moment("to", until, now)
        if not 1 <= end - start <= _LONGEST:
            raise InvalidRangeError(
                f"from={since} to={until}: `from` must be before `to`, by a year at most"
            )
        return cls(start, end, since, until, scrape_interval)

    @property
    def length(self) -> float:
        """Seconds that it lasts."""
        return self.end - self.start

    @property
    def live(self) -> bool:
        """Whether it ends now and so has to be read again."""
        return self.asked_to == "now"

    def step(self, points: int = POINTS) -> int:
        """Return the seconds between two points, a multiple of what lies between two samples."""
        base = max(1, math.ceil(self.scrape_interval))
        return base * max(1, math.ceil(self.length / points / base))

    def moments(self, points: int = POINTS) -> tuple[int, int, int]:
        """Return the first point, the last and the step; the last is that of the newest sample."""
        base, step = max(1, math.ceil(self.scrape_interval)), self.step(points)
        last = int(self.end // base * base)
        return last - int(self.length // step * step), last, step

    def globals(self, points: int = POINTS) -> dict[str, str]:
        """Return Grafana's own variables for queries."""
        step, base = self.step(points), math.ceil(self.scrape_interval)
        return {
            "__interval": f"{step}s",
            "__rate_interval": f"{max(step + base, 4 * base)}s",
            "__range": f"{round(self.length)}s",
            "__from": str(round(self.start * 1000)),
            "__to": str(round(self.end * 1000)),
            "__url_time_range": f"from={self.asked_from}&to={self.asked_to}",
        }


def relative(text: str) -> str:
    """Return what a person calls the time since `now-30m`; any other is a chosen one."""
    found = _RELATIVE.fullmatch(text)
    if not found or not found[1]:
        return "chosen time"
    name = _NAMES[found[2]]
    return f"last {name}" if found[1] == "1" else f"last {found[1]} {name}s"


def _moment(field: str, text: str, now: float) -> float:
    if text.isascii() and text.isdigit() and len(text) <= 14:
        return int(text) / 1000
    found = _RELATIVE.fullmatch(text)
    if not found:
        raise InvalidRangeError(
            f"{field}={text[:40]!r} is no time; write now-30m, now, or milliseconds since 1970"
        )
    return now - (int(found[1]) * _UNITS[found[2]] if found[1] else 0)
