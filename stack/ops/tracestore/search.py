"""The parameters of Jaeger's trace search.

https://www.jaegertracing.io/docs/latest/architecture/apis/
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LIMIT = 1500
_LONG_AGO, _FAR_AWAY = 0, 2**62
_UNITS = {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
# Jaeger's page looks back for days and weeks, too.
_UNITS |= {"d": 24 * _UNITS["h"], "w": 168 * _UNITS["h"]}
_DURATION = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)({'|'.join(_UNITS)})")


class InvalidParameterError(ValueError):
    """A parameter is wrong; the message names it, its value and what is allowed."""

    def __init__(self, name: str, value: str, allowed: str) -> None:
        self.name = name
        super().__init__(f"parameter {name}={value[:100]!r} is not valid: must be {allowed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which traces are wanted; times and durations in microseconds."""

    service: str
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    start: int = _LONG_AGO
    end: int = _FAR_AWAY
    shortest: int = 0
    longest: int = _FAR_AWAY
    limit: int = 20

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Search:
        """Read the parameters of `/api/traces`.

        Raises:
            InvalidParameterError: one of them cannot be used.
        """
        service = given.get("service", "")
        if not service:
            raise InvalidParameterError("service", "", "the name of a service")
        end = whole(given, "end", int(time.time() * 1_000_000))
        back = given.get("lookback", "")
        past = end - duration(given, "lookback", 0) if back and back != "custom" else _LONG_AGO
        return cls(
            service=service,
            operation=given.get("operation", ""),
            tags=_tags(given.get("tags", "")),
            start=whole(given, "start", past),
            end=end,
            shortest=duration(given, "minDuration", 0),
            longest=duration(given, "maxDuration", _FAR_AWAY),
            limit=min(whole(given, "limit", 20), MAX_LIMIT),
        )

    def matches(self, tags: Iterable[Mapping[str, Any]]) -> bool:
        """Tell whether all wanted tags are there."""
        if not self.tags:
            return True
        found = {(tag["key"], _shown(tag["value"])) for tag in tags}
        return all(wanted in found for wanted in self.tags.items())


def whole(given: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number from 0.

    Raises:
        InvalidParameterError: it is none.
    """
    raw = given.get(name, "")
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18):
        raise InvalidParameterError(name, raw, "a whole number from 0")
    return int(raw)


def duration(given: Mapping[str, str], name: str, default: int) -> int:
    """Read a duration such as 1.5s or 200ms.

    Raises:
        InvalidParameterError: it is none.
    """
    raw = given.get(name, "")
    if not raw:
        return default
    match = _DURATION.fullmatch(raw)
    if match is None:
        raise InvalidParameterError(name, raw, "a duration such as 1.5s, 200ms or 2h")
    return int(float(match[1]) * _UNITS[match[2]])


def _tags(raw: str) -> dict[str, str]:
    if not raw:
        return {}
    try:
        tags = json.loads(raw)
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(each, str) for each in tags.values()):
        raise InvalidParameterError("tags", raw, 'a JSON object of texts such as {"error":"true"}')
    return tags


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
