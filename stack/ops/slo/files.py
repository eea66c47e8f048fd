"""The rules as files: written, or compared with what the specs would give."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from stack.ops import generated
from stack.ops.rule_files import ENDING
from stack.ops.rule_files import FOLDER as RULES
from stack.ops.slo.rules import generate
from stack.ops.slo.spec import FOLDER, Spec, load

# The same for Thanos Ruler, which a stack at scale has.
GLOBAL_RULES = Path("thanos") / "rules"
RULES_FOLDERS = (RULES, GLOBAL_RULES)


def expected(root: Path, folder: Path = RULES) -> dict[Path, str]:
    """Return the text of each rules file that the specs of a checkout give, by its path.

    Args:
        root: the checkout.
        folder: whose rules they are, Prometheus' or Thanos Ruler's.

    Raises:
        OpsError: a spec is wrong.
    """
    return {
        folder / f"slo-{name}{ENDING}": rules_of(spec, str(FOLDER / f"{name}.yaml"), folder)
        for name, spec in load(root).items()
    }


def rules_of(spec: Spec, source: str, folder: Path) -> str:
    """Return the text of a spec's rules file, as whoever reads that folder has to read it.

    Args:
        spec: the objectives of one service.
        source: the file that they stand in.
        folder: one of `RULES_FOLDERS`.
    """
    return generate(spec, source, over_replicas=folder == GLOBAL_RULES)


def write(root: Path) -> list[Path]:
    """Write the rules and delete those whose spec is gone; return what was written."""
    return [
        path
        for folder in RULES_FOLDERS
        for path in generated.write(root, expected(root, folder), _pattern(folder))
    ]


def drift(root: Path) -> list[str]:
    """Return one line for each file that differs from what its spec gives, and where."""
    return [
        line
        for folder in RULES_FOLDERS
        for line in generated.drift(
            root, expected(root, folder), _pattern(folder), "spec", _first_difference
        )
    ]


def _pattern(folder: Path) -> Path:
    return folder / f"slo-*{ENDING}"


def _first_difference(path: Path, given: str, there: str) -> str:
    pairs = enumerate(zip_longest(given.splitlines(), there.splitlines()), start=1)
    differing = ((number, *pair) for number, pair in pairs if pair[0] != pair[1])
    number, wanted, found = next(differing, (0, "", ""))
    return f"{path}:{number}: is {found!r}, the spec gives {wanted!r}"
