"""Prometheus' rule files, read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from stack.errors import OpsError

FOLDER = Path("prometheus") / "rules"
ENDING = ".rules.yml"


def rules_in(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each rule of a folder with the name of its file, in the order in which they stand.

    Raises:
        OpsError: a rule file cannot be read.
    """
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            raise OpsError(f"{path}: no rule file that can be read ({error!r}); mend it") from error
        yield from ((path.name, rule) for rule in rules)
