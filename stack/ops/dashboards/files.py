"""The dashboards as files: written, or compared with what the code gives."""

from __future__ import annotations

from pathlib import Path

from stack.ops import generated
from stack.ops.dashboards import (
    alerting,
    dependencies,
    llm,
    overview,
    service,
    slo,
    telemetry,
)
from stack.ops.dashboards.rules import Rules

FOLDER = Path("grafana") / "dashboards"
_PATTERN = FOLDER / "*.json"
# To add a dashboard, write a module like these and add a line here.
BOARDS = (overview, service, dependencies, llm, slo, alerting, telemetry)


def expected(root: Path) -> dict[Path, str]:
    """Return the text of each dashboard for the rules of a checkout, by its path.

    Raises:
        OpsError: the rules lack a threshold or an alert that a panel shows.
    """
    rules = Rules(root)
    boards = [module.build(rules) for module in BOARDS]
    return {FOLDER / f"{board.name}.json": board.json() for board in boards}


def write(root: Path) -> list[Path]:
    """Write the dashboards and delete those that are no more; return what was written."""
    return generated.write(root, expected(root), _PATTERN)


def drift(root: Path) -> list[str]:
    """Return one line for each file that is not what the code gives."""
    return generated.drift(
        root,
        expected(root),
        _PATTERN,
        "code",
        lambda path, *_: f"{path}: is not what the code gives",
    )
