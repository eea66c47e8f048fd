"""A dashboard's variables: what can be chosen, what is chosen, and what queries then say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stack.ops.console.prometheus import Prometheus
from stack.ops.console.timerange import TimeRange

_LABEL_VALUES = re.compile(r"label_values\((?:(?P<match>.+),\s*)?(?P<label>\w+)\)")
_USE = re.compile(r"\$\{([\w.]+)(?::\w+)?\}|\$(\w+)")
_ALL = "$__all"


@dataclass(frozen=True, slots=True)
class Variable:
    """One choice.

    Args:
        name: as queries have it after the dollar.
        label: as a person reads it.
        options: what can be chosen.
        chosen: what is; nothing stands for everything.
        multi: whether several can be.
        has_all: whether everything can be.
        all_value: what stands for everything; all options if empty.
        hidden: whether a person is asked.
    """

    name: str
    label: str
    options: Sequence[str]
    chosen: Sequence[str]
    multi: bool
    has_all: bool
    all_value: str
    hidden: bool

    @property
    def value(self) -> str:
        """What it is in a query; a regular expression where several can be chosen."""
        if not (self.multi or self.has_all):
            return _quoted(self.chosen[0] if self.chosen else "")
        if not self.chosen and self.all_value:
            return self.all_value
        escaped = [_quoted(re.escape(each)) for each in self.chosen or self.options]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    @property
    def text(self) -> str:
        """What it is to a reader."""
        return " + ".join(self.chosen) or ("All" if self.has_all else "")

    @property
    def address(self) -> str:
        """What an address says of it."""
        if self.hidden:
            return ""
        chosen = self.chosen or ([_ALL] if self.has_all else [])
        return "".join(f"&var-{self.name}={quote(each, safe='$')}" for each in chosen)


def read_variables(
    listed: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Sequence[str]],
    prometheus: Prometheus,
    time: TimeRange,
) -> list[Variable]:
    """Ask what can be chosen, and see what an address chooses.

    Args:
        listed: the dashboard's.
        asked: by name, what the address chooses.
        prometheus: knows the labels' values.
        time: when the series have to be there.

    Raises:
        PrometheusError: it refuses, or does not answer.
    """
    found: list[Variable] = []
    for each in listed:
        options = _options(each, found, prometheus, time)
        found.append(_chosen(each, options, asked.get(each["name"], ())))
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put the values of variables where a text has `$name` or `${name}`; others stay."""
    return _USE.sub(lambda use: values.get(use[1] or use[2], use[0]), text)


def linked(url: str, values: Mapping[str, str]) -> str:
    """Put the values of variables into an address, quoted; the time is a piece of one already."""
    quoted = {
        name: value if name == "__url_time_range" else quote(value, safe="")
        for name, value in values.items()
    }
    return filled(url, quoted)


def _quoted(text: str) -> str:
    """Return a text as it stands between a query's quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _options(
    variable: Mapping[str, Any], before: Sequence[Variable], prometheus: Prometheus, time: TimeRange
) -> list[str]:
    if variable["type"] == "query":
        query = variable["query"]
        text = query["query"] if isinstance(query, dict) else query
        asked = _LABEL_VALUES.fullmatch(filled(text, {each.name: each.value for each in before}))
        if asked:
            match = asked["match"] or ""
            return prometheus.label_values(asked["label"], match, time.start, time.end)
    if variable["type"] in {"custom", "interval"}:
        return [each.strip() for each in variable["query"].split(",")]
    return _current(variable) or [str(variable.get("query", ""))]


def _chosen(variable: Mapping[str, Any], options: list[str], asked: Sequence[str]) -> Variable:
    chosen = [each for each in asked if each != _ALL]
    if not asked:
        chosen = _current(variable)
        # What is chosen at first has to be there.
        if chosen and options and chosen[0] not in options:
            chosen = options[:1]
    has_all = bool(variable.get("includeAll"))
    return Variable(
        name=variable["name"],
        label=variable.get("label") or variable["name"],
        options=options,
        chosen=chosen or ([] if has_all else options[:1]),
        multi=bool(variable.get("multi")),
        has_all=has_all,
        all_value=variable.get("allValue") or "",
        hidden=variable.get("hide") == 2,
    )


def _current(variable: Mapping[str, Any]) -> list[str]:
    """Return what the file chooses; everything is nothing in particular."""
    value = (variable.get("current") or {}).get("value") or []
    listed = [value] if isinstance(value, str) else value
    return [each for each in listed if each != _ALL]
