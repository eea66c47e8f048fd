"""The dashboards as Grafana reads them: panels, queries, variables, links."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
# Panels of what one machine does not have.
OF_PAIRS = (
    *("Stores not asked", "Failed uploads", "Bucket's failures", "Compactor"),
    *("Ruler's alerts lost", "Balancer's errors", "Wait of spans"),
)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    board: str
    panel: Json
    target: Json

    @property
    def written(self) -> str:
        """The expression with its variables."""
        return str(self.target["expr"])

    @property
    def expression(self) -> str:
        """The expression as PromQL: a minute for Grafana's interval; variables stand in strings."""
        return self.written.replace("$__rate_interval", "1m")

    @property
    def name(self) -> str:
        """Where it is, for a person."""
        return f"{self.board}: {self.panel['title']} {self.target['refId']}"


@functools.cache
def boards() -> dict[str, Json]:
    """Return all dashboards by the names of their files."""
    paths = sorted(FOLDER.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def panels(board: Json) -> list[Json]:
    """Return a dashboard's panels without the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Yield every query of every panel."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel.get("targets", []):
                yield Query(name, panel, target)


def variables(board: Json) -> dict[str, Json]:
    """Return a dashboard's variables by their names."""
    return {each["name"]: each for each in board["templating"]["list"]}


def texts(value: Any) -> Iterator[str]:
    """Yield every text below a value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def named(text: str) -> set[str]:
    """Return the variables that a text names, Grafana's own apart."""
    found = re.findall(r"\$\{?(\w+)", text)
    return {name for name in found if not name.startswith("__") and not name.isdigit()}


def links(value: Any) -> Iterator[str]:
    """Yield every address that a click leads to, those in a text's Markdown among them."""
    if isinstance(value, dict):
        if value.get("url"):
            yield value["url"]
        if value.get("mode") == "markdown":
            yield from re.findall(r"\]\((.+?)\)", value["content"])
        for each in value.values():
            yield from links(each)
    elif isinstance(value, list):
        for each in value:
            yield from links(each)


def bare(expression: str) -> str:
    """Return an expression without spaces, to be compared."""
    return re.sub(r"\s+", "", expression)
