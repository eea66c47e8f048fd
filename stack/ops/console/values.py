"""How values are written and coloured: Grafana's units, thresholds and mappings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from stack.ops import colours

PALETTE, GREY = colours.PALETTE, colours.GREY
_HEX = re.compile("#[0-9a-fA-F]{6}")
_NAMED = {
    "green": colours.GREEN, "orange": colours.ORANGE, "red": colours.RED, "blue": colours.BLUE,
}  # fmt: skip

# By unit: from which size on, by what it is divided, and what is written behind it.
_SCALES: Mapping[str, Sequence[tuple[float, float, str]]] = {
    "s": (
        (86_400, 86_400, " d"), (3600, 3600, " h"), (60, 60, " min"), (1, 1, " s"),
        (1e-3, 1e-3, " ms"), (0, 1e-6, " µs"),
    ),
    "bytes": ((2**30, 2**30, " GiB"), (2**20, 2**20, " MiB"), (2**10, 2**10, " KiB"), (0, 1, " B")),
    "short": ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k"), (0, 1, "")),
    "cps": ((1e4, 1e3, "k/s"), (0, 1, "/s")),
    "reqps": ((1e4, 1e3, "k req/s"), (0, 1, " req/s")),
    "percentunit": ((0, 0.01, "%"),),
    "percent": ((0, 1, "%"),),
}  # fmt: skip
_AS_IT_IS = ((0, 1, ""),)
_DIGITS = 3
# What special mappings call a value that is not there or is no number.
_NOTHING = {"null", "nan", "null+nan"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How the values of one size are written: `value / factor` with decimals, and the suffix."""

    factor: float
    suffix: str
    decimals: int

    def text(self, value: float) -> str:
        """Write a value."""
        return f"{value / self.factor:.{self.decimals}f}{self.suffix}"


def scale(size: float, unit: str, decimals: int | None) -> Scale:
    """Choose how values of about this size are written.

    Args:
        size: the largest of them.
        unit: Grafana's name of it.
        decimals: of the unit itself, such as a second; three digits in all where it is divided.
    """
    size = abs(size)
    steps = _SCALES.get(unit, _AS_IT_IS)
    # Zero is zero of the unit itself.
    wanted = size or 1.0
    factor, suffix = next((f, s) for least, f, s in steps if wanted >= least)
    shown = size / factor
    if decimals is None or factor not in {1, 0.01}:
        digits = 0 if shown == 0 else math.floor(math.log10(shown)) + 1
        decimals = min(2, max(0, _DIGITS - digits))
        decimals = 0 if shown == int(shown) else decimals
    return Scale(factor, suffix, decimals)


def written(value: float | None, field: Mapping[str, Any]) -> str:
    """Write one value as a panel's field says; its mapping first."""
    mapped = mapping(value, field)
    if mapped and mapped.get("text"):
        return str(mapped["text"])
    if value is None:
        return str(field.get("noValue") or "–")
    return scale(value, field.get("unit", ""), field.get("decimals")).text(value)


def plain(value: float) -> str:
    """Write a value as a browser does, with all of its digits, for addresses and names."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)


def mapping(value: float | None, field: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a value is shown as, if a mapping says so."""
    for each in field.get("mappings") or ():
        found: Mapping[str, Any] | None = None
        options = each["options"]
        if value is None:
            nothing = each["type"] == "special" and options["match"] in _NOTHING
            found = options["result"] if nothing else None
        elif each["type"] == "value":
            found = options.get(plain(value))
        elif each["type"] == "range":
            low, high = options.get("from"), options.get("to")
            inside = (low is None or value >= low) and (high is None or value <= high)
            found = options["result"] if inside else None
        if found:
            return found
    return None


def colour(value: float | None, field: Mapping[str, Any]) -> str:
    """Return the colour of a value: that of its mapping, else of its threshold; none is lowest."""
    mapped = mapping(value, field)
    if mapped and mapped.get("color"):
        return named(mapped["color"])
    found = GREY
    for step in (field.get("thresholds") or {}).get("steps") or ():
        least = step.get("value")
        if least is None or (value is not None and value >= least):
            found = named(step["color"])
    return found


def limits(field: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the thresholds that are drawn as lines."""
    style = ((field.get("custom") or {}).get("thresholdsStyle") or {}).get("mode", "off")
    if style == "off":
        return []
    return [
        {"value": step["value"], "color": named(step["color"])}
        for step in (field.get("thresholds") or {}).get("steps") or ()
        if step.get("value") is not None
    ]


def named(color: str) -> str:
    """Return a colour as CSS has it."""
    return _NAMED.get(color, color)


def ground(color: str) -> str:
    """Return the colour, darkened until white can be read on it: a contrast of 4.5.

    Args:
        color: as `#rrggbb`; any other is taken for grey.
    """
    usable = color if _HEX.fullmatch(color) else GREY
    red, green, blue = (int(usable[at : at + 2], 16) for at in (1, 3, 5))
    while 1.05 / (_luminance(red, green, blue) + 0.05) < 4.5:
        red, green, blue = (round(each * 0.95) for each in (red, green, blue))
    return f"#{red:02x}{green:02x}{blue:02x}"


def palette(names: Sequence[str]) -> dict[str, str]:
    """Give each name a colour: the same on every page, unless two on this panel collide.

    Services that the dashboards know have the colour that they have there.
    """
    found = {name: colours.SERVICES[name] for name in names if name in colours.SERVICES}
    taken = set(found.values())
    for name in names:
        if name in found:
            continue
        at = crc32(name.encode())
        free = (PALETTE[(at + step) % len(PALETTE)] for step in range(len(PALETTE)))
        found[name] = next((each for each in free if each not in taken), PALETTE[at % len(PALETTE)])
        taken.add(found[name])
    return found


def _luminance(red: int, green: int, blue: int) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [
        each / 255 / 12.92 if each <= 10 else ((each / 255 + 0.055) / 1.055) ** 2.4
        for each in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
