"""The alerts beside their runbooks, and the runbooks' index: `make runbooks` writes it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops.durations import seconds
from stack.ops.rule_files import ENDING, FOLDER, rules_in
from stack.ops.run_folder import checkout

RUNBOOKS = "docs/runbooks"
INDEX = "README.md"

_HEADER = """\
# Runbooks

What to do when an alert fires. Each alert links to its page here; the inbox shows the same pages at `/runbooks/<Alert>`.

Each page has what the alert means and who feels it, three checks with the likeliest cause first, what to do then, a drill, and when to silence. The commands run as they stand, in the checkout, on the running stack.

A `page` wakes somebody, a `ticket` waits for the morning. "Lasts" is how long it has to be so before the alert fires. `make runbooks` writes this table from the rules and the first sentence of each page.

| Alert | Severity | Fires when | Lasts | Rules |
| --- | --- | --- | --- | --- |
"""  # noqa: E501 -- a paragraph of Markdown is a line
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


@dataclass(frozen=True, slots=True)
class Alert:
    """What the index says of an alert.

    Args:
        name: the alert's name.
        severity: page, ticket or info.
        lasts: how long the condition has to last, as in the rule; empty for not at all.
        files: the names of the rule files that have it.
    """

    name: str
    severity: str
    lasts: str
    files: tuple[str, ...]


def alerts(root: Path) -> list[Alert]:
    """List the alerts, each once: those on SLOs have a rule for each SLO.

    Raises:
        OpsError: a rule file cannot be read.
    """
    found: dict[str, Alert] = {}
    for file, rule in rules_in(root / FOLDER):
        if "alert" not in rule:
            continue
        name = rule["alert"]
        known = found.get(name)
        files = tuple(dict.fromkeys((*(known.files if known else ()), file)))
        found[name] = Alert(name, rule["labels"]["severity"], rule.get("for", ""), files)
    return list(found.values())


def index(root: Path) -> str:
    """Return the index's text.

    Raises:
        OpsError: a rule file or a runbook cannot be read; the message names it.
    """
    return _HEADER + "".join(_row(root, alert) for alert in alerts(root))


def spoken(duration: str) -> str:
    """Return a rule's duration as a runbook writes it: `30s` → 30 s, `1m` → 1 minute."""
    value = seconds(duration)
    for length, name in _UNITS:
        if value >= length and value % length == 0:
            count = int(value // length)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{value:g} s"


def _row(root: Path, alert: Alert) -> str:
    cells = (
        f"[{alert.name}]({alert.name}.md)",
        alert.severity,
        _first_sentence(root / RUNBOOKS / f"{alert.name}.md").removesuffix("."),
        spoken(alert.lasts) if alert.lasts else "–",
        f"`{_together(alert.files)}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _first_sentence(page: Path) -> str:
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{page}: the alert has no runbook ({error.strerror}); write it") from error
    found = re.search(r"^## Meaning\n\n(.+?[.!?])(?=\s)", text, re.MULTILINE)
    if found is None:
        raise OpsError(f"{page}: no sentence under `## Meaning`; begin that section with one")
    return found[1]


def _together(files: tuple[str, ...]) -> str:
    """Return one name for all files: the only one's, or a pattern by what is before the dash."""
    return files[0] if len(files) == 1 else f"{files[0].partition('-')[0]}-*{ENDING}"


def main() -> None:
    """Write the index of this checkout's runbooks anew."""
    try:
        root = checkout()
        (root / RUNBOOKS / INDEX).write_text(index(root), encoding="utf-8")
    except (OpsError, OSError) as error:
        sys.exit(f"stack: {error}")


if __name__ == "__main__":
    main()
