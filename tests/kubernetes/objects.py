"""The committed export, read: its objects, what its generators make, and what stands where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXPORT = ROOT / "kubernetes"
Object = dict[str, Any]


def kustomization(folder: str) -> Object:
    """Return a folder's kustomization."""
    found: Object = yaml.safe_load((EXPORT / folder / "kustomization.yaml").read_text())
    return found


def objects() -> list[Object]:
    """Return every object that the base and the component name."""
    return [
        yaml.safe_load((EXPORT / folder / path).read_text(encoding="utf-8"))
        for folder in ("base", "components/loadgen")
        for path in kustomization(folder)["resources"]
    ]


def of_kind(found: list[Object], *kinds: str) -> Iterator[tuple[str, Object]]:
    """Yield the objects of some kinds with their names."""
    for each in found:
        if each["kind"] in kinds:
            yield each["metadata"]["name"], each
