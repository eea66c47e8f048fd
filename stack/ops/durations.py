"""Durations as Prometheus and Alertmanager write them, and PromQL's ranges made shorter.

https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_PART = r"\d+(?:ms|[ywdhms])"
DURATION = re.compile(rf"(?:{_PART})+")
_RANGE = re.compile(rf"\[\s*((?:{_PART})+)\s*(?::\s*((?:{_PART})+)?\s*)?\]")
_OFFSET = re.compile(rf"\boffset\s+(-?)((?:{_PART})+)")


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `1h30m`.

    Raises:
        ValueError: it is none.
    """
    if text != "0" and not DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 30s or 1h30m")
    parts = re.findall(r"(\d+)(ms|[ywdhms])", text)
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))


def shown(value: float) -> str:
    """Return seconds as a duration, to the millisecond."""
    millis = round(value * 1000)
    return f"{millis // 1000}s" if millis % 1000 == 0 else f"{millis}ms"


def divided(text: str, speed: float, floor: float = 0.0) -> str:
    """Return the duration divided by `speed`, but not below `floor` seconds; 0 stays 0."""
    value = seconds(text)
    return shown(max(value / speed, min(floor, value)))


def divided_in_expression(
    expression: str, speed: float, floor: float, longest: float = math.inf
) -> str:
    """Divide every range, subquery and offset of a PromQL expression.

    Text in quotes, such as a label's value, is left as it is.

    Args:
        expression: in PromQL.
        speed: the divisor.
        floor: no range gets shorter than this, in seconds.
        longest: a longer range counts as this one, in seconds, before it is divided.
    """

    def in_range(match: re.Match[str]) -> str:
        whole = divided(shown(min(seconds(match[1]), longest)), speed, floor)
        if ":" not in match[0]:
            return f"[{whole}]"
        return f"[{whole}:{divided(match[2], speed, 1.0) if match[2] else ''}]"

    def in_offset(match: re.Match[str]) -> str:
        return f"offset {match[1]}{divided(match[2], speed)}"

    def unquoted(text: str) -> str:
        return _OFFSET.sub(in_offset, _RANGE.sub(in_range, text))

    return _outside_quotes(expression, unquoted)


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    """Change what stands outside of quotes, as PromQL has them."""
    parts = re.split(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`)", text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))
