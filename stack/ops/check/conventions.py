"""Whether names, units and labels are as Prometheus' conventions have them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stack.ops.check.point import Verdict, fails, listed, ok, point
from stack.ops.check.scrape import Scrape
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import Visit

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENDINGS = ("_total", "_bucket", "_count", "_sum", "_max", "_min", "_avg", "_info")
# Last words of names, each with the base unit that is to stand in its place.
_UNITS = {
    "seconds": "ms msec millis milliseconds us usec micros microseconds ns nanos nanoseconds"
    " minutes hours days",
    "bytes": "kb kib kilobytes mb mib megabytes gb gib gigabytes bits",
    "ratio": "percent pct percentage",
}
_BASE = {word: base for base, words in _UNITS.items() for word in words.split()}
_IDS = {
    "a UUID": re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
    "a long id": re.compile(r"(?<![0-9a-z])[0-9a-f]{16,}(?![0-9a-z])", re.IGNORECASE),
    "a number in a path": re.compile(r"^/(?:.*/)?\d+(?:/|$)"),
    "a query": re.compile(r"^/.*\?"),
    "an address of mail": re.compile(r"[^\s@]+@[^\s@]+\.\w+"),
    "a long number": re.compile(r"^\d{9,}$"),
}
# Values of one label of one metric.
_MANY = 100
_OWN_LABELS = {"le", "quantile"}


@point(
    "conventions.counters",
    "The names of counters end in `_total`, and no others do.",
    "rename it, or give it the type that it is",
)
def counters(visit: Visit) -> Verdict:
    """Compare types with endings."""
    scrape = visit.scrape()
    wrong = []
    for family in scrape.families:
        names = {s.name for s in family.samples if not s.name.endswith("_created")}
        wrong += [
            f"{name} is a {family.type}"
            for name in sorted(names)
            if (family.type == "counter") != name.endswith("_total")
        ]
    return fails(listed(wrong)) if wrong else ok(f"{len(scrape.families)} metrics")


@point(
    "conventions.units",
    "Names are in snake_case and end in a base unit: seconds, bytes, ratio.",
    "measure in the base unit and name it at the end; dashboards choose what they show",
)
def units(visit: Visit) -> Verdict:
    """Look at the last word of each name."""
    wrong = []
    for family in visit.scrape().families:
        name = family.name
        if not _NAME.fullmatch(name):
            wrong.append(f"{name} is not in snake_case")
        while name.endswith(_ENDINGS):
            name = name.rpartition("_")[0]
        base = _BASE.get(name.rpartition("_")[2])
        if base:
            wrong.append(f"{family.name} is not in {base}")
    return fails(listed(wrong)) if wrong else ok("seconds, bytes, ratios")


@point(
    "conventions.routes",
    "No label holds a raw path: three unknown paths make no new value for each.",
    "label with the route's template, and with one constant where no route matches",
)
def routes(visit: Visit) -> Verdict:
    """Look for the paths that were sent."""
    marks = [part for sent in visit.unknown for part in sent.path.split("/") if len(part) > 6]
    found = {
        f'{name}{{{label}="{value}"}}'
        for name, label, value in _labels(visit.scrape())
        if any(mark in value for mark in marks)
    }
    return fails(listed(sorted(found), 1)) if found else ok("404s are counted without their paths")


@point(
    "conventions.labels",
    f"No label holds ids, and none has more than {_MANY} values.",
    "leave such labels out; ids belong in spans, log lines and exemplars",
)
def labels(visit: Visit) -> Verdict:
    """Look for values that look like ids, and for many."""
    _ = visit.known
    marks = [part for sent in visit.sent for part in sent.path.split("/") if part]
    values: dict[tuple[str, str], set[str]] = {}
    wrong = []
    for name, label, value in _labels(visit.scrape()):
        # Raw paths have a point of their own, and a commit may be in a version.
        if name.endswith("_info") or any(m in value for m in marks if m.startswith("check-")):
            continue
        seen = values.setdefault((name, label), set())
        if value not in seen:
            wrong += [f'{what} in {name}{{{label}="{value}"}}' for what in _ids(value)]
        seen.add(value)
    wrong += [
        f"{name}: {len(seen)} values of {label}"
        for (name, label), seen in values.items()
        if len(seen) > _MANY
    ]
    if not values:
        raise CannotCheckError("no series has labels")
    return fails(listed(wrong)) if wrong else ok(f"{len(values)} labels")


POINTS = (counters, units, routes, labels)


def _labels(scrape: Scrape) -> Iterator[tuple[str, str, str]]:
    for family in scrape.families:
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label not in _OWN_LABELS:
                    yield family.name, label, value


def _ids(value: str) -> Iterator[str]:
    for what, pattern in _IDS.items():
        if pattern.search(value):
            yield what
            return
