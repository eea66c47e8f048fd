"""The dashboards as files: written, or compared with what the code gives."""

from __future__ import annotations

from pathlib import Path

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
    texts = expected(root)
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in _stale(root, texts):
        (root / path).unlink()
    for path, text in texts.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(texts)


def drift(root: Path) -> list[str]:
    """Return one line for each file that is not what the code gives."""
    texts = expected(root)
    found = [f"{path}: no code gives it; delete it" for path in _stale(root, texts)]
    for path, text in texts.items():
        if not (root / path).is_file():
            found.append(f"{path}: is missing")
        elif (root / path).read_text(encoding="utf-8") != text:
            found.append(f"{path}: is not what the code gives")
    return found


def _stale(root: Path, texts: dict[Path, str]) -> list[Path]:
    there = sorted(path.relative_to(root) for path in (root / FOLDER).glob("*.json"))
    return [path for path in there if path not in texts]
