"""A dashboard as its file has it: panels on the grid, variables, links and annotations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = "stack-overview"

Json = Mapping[str, Any]


class InvalidDashboardError(Exception):
    """A file is no dashboard; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Args:
        id: what tells it apart on its dashboard.
        kind: Grafana's name of the panel type.
        title: its heading.
        description: what it shows and what to do about it.
        place: where on the grid: x, y, w and h.
        targets: what it asks Prometheus.
        options: what its type is told.
        defaults: what holds for all values: unit, decimals, thresholds, mappings, links.
        overrides: by the name of a series or column, what differs.
        transformations: what is done to a table.
        points: how many moments it wants at most; None if it does not say.
    """

    id: int
    kind: str
    title: str
    description: str
    place: Mapping[str, int]
    targets: Sequence[Json]
    options: Json
    defaults: Json
    overrides: Mapping[str, Json]
    transformations: Sequence[Json]
    points: int | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Args:
        uid: what addresses name it by.
        title: its heading.
        question: what it answers: the first sentence of its description.
        tags: what lists of dashboards choose by.
        since: how far back it looks at first.
        panels: its panels and headings, in the order in which they are read.
        variables: what can be chosen at its top.
        annotations: what is marked on every panel over time.
        links: where it leads beside the other dashboards.
    """

    uid: str
    title: str
    question: str
    tags: Sequence[str]
    since: str
    panels: Sequence[Panel]
    variables: Sequence[Json]
    annotations: Sequence[Json]
    links: Sequence[Json]


def read_dashboards(folder: Path) -> tuple[dict[str, Dashboard], list[InvalidDashboardError]]:
    """Return the dashboards of a folder by uid, the home first and then by title.

    Returns:
        With them what is wrong with the files that are none; the others do without them.
    """
    found, wrong = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(_dashboard(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            wrong.append(InvalidDashboardError(f"{path} is no dashboard: {error!r}"))
    found.sort(key=lambda board: (board.uid != HOME, board.title))
    return {board.uid: board for board in found}, wrong


def _dashboard(source: Json) -> Dashboard:
    text = str(source.get("description") or "")
    panels = [
        _panel(each) for top in source["panels"] for each in (top, *(top.get("panels") or ()))
    ]
    annotations = (source.get("annotations") or {}).get("list") or ()
    return Dashboard(
        uid=str(source["uid"]),
        title=str(source["title"]),
        question=text.split("? ", maxsplit=1)[0] + "?" if "? " in text else text,
        tags=source.get("tags") or (),
        since=str((source.get("time") or {}).get("from", "now-30m")),
        panels=sorted(panels, key=lambda panel: (panel.place["y"], panel.place["x"])),
        variables=(source.get("templating") or {}).get("list") or (),
        annotations=[each for each in annotations if each.get("enable") and each.get("expr")],
        links=[each for each in source.get("links") or () if each.get("type") == "link"],
    )


def _panel(source: Json) -> Panel:
    fields = source.get("fieldConfig") or {}
    overrides: dict[str, dict[str, Any]] = {}
    for each in fields.get("overrides") or ():
        if each["matcher"]["id"] == "byName":
            properties = {one["id"]: one.get("value") for one in each["properties"]}
            overrides.setdefault(each["matcher"]["options"], {}).update(properties)
    targets = source.get("targets") or ()
    return Panel(
        id=int(source["id"]),
        kind=str(source["type"]),
        title=str(source.get("title") or ""),
        description=str(source.get("description") or ""),
        place={key: int(source["gridPos"][key]) for key in ("x", "y", "w", "h")},
        targets=[each for each in targets if each.get("expr") and not each.get("hide")],
        options=source.get("options") or {},
        defaults=fields.get("defaults") or {},
        overrides=overrides,
        transformations=source.get("transformations") or (),
        points=source.get("maxDataPoints"),
    )
