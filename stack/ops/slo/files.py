"""The rules as files: written, or compared with what the specs would give."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from stack.ops import generated
from stack.ops.rule_files import ENDING
from stack.ops.rule_files import FOLDER as RULES
from stack.ops.slo.rules import generate
from stack.ops.slo.spec import FOLDER, load

_PATTERN = RULES / f"slo-*{ENDING}"


def expected(root: Path) -> dict[Path, str]:
    """Return the text of each rules file that the specs of a checkout give, by its path.

    Raises:
        OpsError: a spec is wrong.
    """
    return {
        RULES / f"slo-{name}{ENDING}": generate(spec, str(FOLDER / f"{name}.yaml"))
        for name, spec in load(root).items()
    }


def write(root: Path) -> list[Path]:
    """Write the rules and delete those whose spec is gone; return what was written."""
    return generated.write(root, expected(root), _PATTERN)


def drift(root: Path) -> list[str]:
    """Return one line for each file that differs from what its spec gives, and where."""
    return generated.drift(root, expected(root), _PATTERN, "spec", _first_difference)


def _first_difference(path: Path, given: str, there: str) -> str:
    pairs = enumerate(zip_longest(given.splitlines(), there.splitlines()), start=1)
    differing = ((number, *pair) for number, pair in pairs if pair[0] != pair[1])
    number, wanted, found = next(differing, (0, "", ""))
    return f"{path}:{number}: is {found!r}, the spec gives {wanted!r}"
