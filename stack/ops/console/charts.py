"""What the browser needs to draw a panel over time: columns of numbers, colours and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from stack.ops.console.asking import Answer, Course
from stack.ops.console.prometheus import Exemplar
from stack.ops.console.values import colour, limits, named, palette, plain, scale, written


def lines(answer: Answer) -> dict[str, Any]:
    """Courses over time, with limits and exemplars."""
    field, colours = answer.panel.defaults, _colours(answer)
    custom = field.get("custom") or {}
    values = [value for each in answer.courses for value in each.series.values]
    known = [abs(value) for value in (*values, field.get("max")) if value is not None]
    unit = scale(max(known, default=1.0), field.get("unit", ""), None)
    chart = _chart("lines", answer) | {
        "series": [
            {"name": each.name, "color": colours[each.name], "values": each.series.values}
            for each in answer.courses
        ],
        "stacked": (custom.get("stacking") or {}).get("mode") == "normal",
        "fill": custom.get("fillOpacity", 0) / 100,
        "min": field.get("min"),
        "max": field.get("max"),
        "limits": limits(field),
        "scale": {"factor": unit.factor, "suffix": unit.suffix},
        "dots": [_dot(each, each.value) for each in answer.dots],
    }
    return {"chart": chart, "legend": [_entry(each, answer, colours) for each in answer.courses]}


def states(answer: Answer) -> dict[str, Any]:
    """One band a series, coloured by its state."""
    field = answer.panel.defaults
    seen = {value for each in answer.courses for value in each.series.values if value is not None}
    chart = _chart("states", answer) | {
        "series": [{"name": each.name, "values": each.series.values} for each in answer.courses],
        "states": {plain(value): [written(value, field), colour(value, field)] for value in seen},
    }
    shown = {written(value, field): colour(value, field) for value in sorted(seen)}
    now = [(each.name, written(each.series.last, field)) for each in answer.courses]
    legend = [{"name": name, "color": color} for name, color in shown.items()]
    return {"chart": chart, "legend": legend, "now": now}


def spread(answer: Answer) -> dict[str, Any]:
    """How many observations each bucket has over time, and exemplars; nothing if none was made."""
    axis = answer.panel.options.get("yAxis") or {}
    unit = axis.get("unit") or answer.panel.defaults.get("unit", "")
    rows = sorted(
        (each for each in answer.courses if "le" in each.series.labels),
        key=lambda each: float(each.series.labels["le"]),
    )
    bounds = [float(each.series.labels["le"]) for each in rows]
    cells = _counts(rows)
    kept = _used(cells)
    if not kept:
        return {}
    bounds, cells = bounds[kept.start : kept.stop], cells[kept.start : kept.stop]
    names = [_bound(bound, unit) for bound in bounds]
    chart = _chart("spread", answer) | {
        "rows": [{"name": name, "values": row} for name, row in zip(names, cells, strict=True)],
        "dots": [_dot(each, _height(each.value, bounds)) for each in answer.dots],
    }
    return {"chart": chart, "legend": []}


def _bound(bound: float, unit: str) -> str:
    return scale(bound, unit, None).text(bound) if bound < float("inf") else "∞"


def _chart(kind: str, answer: Answer) -> dict[str, Any]:
    return {"kind": kind, "title": answer.panel.title, "x": list(answer.moments)}


def _colours(answer: Answer) -> dict[str, str]:
    names = [each.name for each in answer.courses]
    found = palette(names)
    for name in names:
        fixed = answer.panel.overrides.get(name, {}).get("color") or {}
        if fixed.get("fixedColor"):
            found[name] = named(fixed["fixedColor"])
    return found


def _entry(course: Course, answer: Answer, colours: Mapping[str, str]) -> dict[str, Any]:
    field = {**answer.panel.defaults, "noValue": None}
    known = [value for value in course.series.values if value is not None]
    return {
        "name": course.name,
        "color": colours[course.name],
        "last": written(course.series.last, field),
        "max": written(max(known, default=None), field),
    }


def _dot(exemplar: Exemplar, height: float) -> dict[str, Any]:
    return {
        "x": exemplar.time,
        "y": height,
        "value": exemplar.value,
        "trace": exemplar.labels.get("trace_id", ""),
    }


def _counts(rows: Sequence[Course]) -> list[list[float | None]]:
    """Return how many are in each bucket alone; `le` counts those of all below with it."""
    first = [list(rows[0].series.values)] if rows else []
    return first + [
        [
            None if high is None else max(0.0, high - (low or 0.0))
            for low, high in zip(below.series.values, row.series.values, strict=True)
        ]
        for below, row in pairwise(rows)
    ]


def _used(cells: Sequence[Sequence[float | None]]) -> range:
    """Return the buckets from the first to the last that ever had one, with one around."""
    used = [at for at, row in enumerate(cells) if any(value for value in row)]
    return range(max(0, used[0] - 1), min(len(cells), used[-1] + 2)) if used else range(0)


def _height(value: float, bounds: Sequence[float]) -> float:
    """Return where a value stands when each bucket is one high."""
    low = 0.0
    for at, high in enumerate(bounds):
        if value <= high:
            inside = (value - low) / (high - low) if high < float("inf") else 0.5
            return at + max(0.0, inside)
        low = high
    return float(len(bounds))
