"""A dashboard as its file has it: panels on the grid, variables, links and annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HOME = "stack-overview"


class InvalidDashboardError(Exception):
    """A file is no dashboard; the text names it and says why."""


@dataclass(frozen=True)
class Panel:
    """One panel of the file.

    Args:
        source: its JSON.
    """

    source: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Grafana's name of the panel type."""
        return str(self.source["type"])

    @property
    def id(self) -> int:
        """What tells it apart on its dashboard."""
        return int(self.source["id"])

    @property
    def title(self) -> str:
        """Its heading."""
        return str(self.source.get("title", ""))

    @property
    def description(self) -> str:
        """What it shows and what to do about it."""
        return str(self.source.get("description", ""))

    @property
    def place(self) -> Mapping[str, int]:
        """Where on the grid: x, y, w and h."""
        place: Mapping[str, int] = self.source["gridPos"]
        return place

    @property
    def targets(self) -> Sequence[Mapping[str, Any]]:
        """What it asks Prometheus."""
        return [each for each in self.source.get("targets", ()) if not each.get("hide")]

    @property
    def options(self) -> Mapping[str, Any]:
        """What its type is told."""
        return self.source.get("options") or {}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """What holds for all of its values: unit, decimals, thresholds, mappings, links."""
        return (self.source.get("fieldConfig") or {}).get("defaults") or {}

    @property
    def custom(self) -> Mapping[str, Any]:
        """How its type draws values."""
        return self.defaults.get("custom") or {}

    @cached_property
    def overrides(self) -> Mapping[str, Mapping[str, Any]]:
        """By the name of a series or column, what differs."""
        found: dict[str, dict[str, Any]] = {}
        for each in (self.source.get("fieldConfig") or {}).get("overrides") or ():
            if each["matcher"]["id"] == "byName":
                properties = {one["id"]: one.get("value") for one in each["properties"]}
                found.setdefault(each["matcher"]["options"], {}).update(properties)
        return found

    @property
    def transformations(self) -> Sequence[Mapping[str, Any]]:
        """What is done to a table."""
        return self.source.get("transformations") or ()

    @property
    def points(self) -> int | None:
        """How many moments it wants at most; None if it does not say."""
        return self.source.get("maxDataPoints")


@dataclass(frozen=True)
class Dashboard:
    """One dashboard of the file.

    Args:
        source: its JSON.
    """

    source: Mapping[str, Any]

    @property
    def uid(self) -> str:
        """What addresses name it by."""
        return str(self.source["uid"])

    @property
    def title(self) -> str:
        """Its heading."""
        return str(self.source["title"])

    @property
    def tags(self) -> Sequence[str]:
        """What lists of dashboards choose by."""
        return self.source.get("tags") or ()

    @property
    def question(self) -> str:
        """What it answers: the first sentence of its description."""
        text = str(self.source.get("description", ""))
        return text.split("? ", maxsplit=1)[0] + "?" if "? " in text else text

    @cached_property
    def panels(self) -> Sequence[Panel]:
        """Its panels and headings, in the order in which they are read."""
        found = (Panel(each) for each in _flat(self.source["panels"]))
        return sorted(found, key=lambda panel: (panel.place["y"], panel.place["x"]))

    @property
    def variables(self) -> Sequence[Mapping[str, Any]]:
        """What can be chosen at its top."""
        return (self.source.get("templating") or {}).get("list") or ()

    @property
    def annotations(self) -> Sequence[Mapping[str, Any]]:
        """What is marked on every panel over time."""
        listed = (self.source.get("annotations") or {}).get("list") or ()
        return [each for each in listed if each.get("enable") and each.get("expr")]

    @property
    def links(self) -> Sequence[Mapping[str, Any]]:
        """Where it leads beside the other dashboards."""
        return [each for each in self.source.get("links") or () if each.get("type") == "link"]

    @property
    def since(self) -> str:
        """How far back it looks at first."""
        return str((self.source.get("time") or {}).get("from", "now-30m"))


def read_dashboards(folder: Path) -> dict[str, Dashboard]:
    """Return the dashboards of a folder by uid, the home first and then by title.

    Raises:
        InvalidDashboardError: a file cannot be read, or is none.
    """
    found = [_read(path) for path in folder.glob("*.json")]
    found.sort(key=lambda board: (board.uid != HOME, board.title))
    return {board.uid: board for board in found}


def _read(path: Path) -> Dashboard:
    try:
        board = Dashboard(json.loads(path.read_text(encoding="utf-8")))
        _ = (
            board.uid,
            board.title,
            [(panel.id, panel.kind, panel.place) for panel in board.panels],
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InvalidDashboardError(f"{path} is no dashboard: {error!r}") from error
    return board


def _flat(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for panel in panels:
        yield panel
        yield from panel.get("panels") or ()
