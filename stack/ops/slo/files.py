"""The rules as files: written, or compared with what the specs would give."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from stack.ops.slo.rules import generate
from stack.ops.slo.spec import FOLDER, load

RULES = Path("prometheus") / "rules"
PATTERN = "slo-*.rules.yml"


def expected(root: Path) -> dict[Path, str]:
    """Return the text of each rules file that the specs of a checkout give, by its path.

    Raises:
        OpsError: a spec is wrong.
    """
    return {
        RULES / f"slo-{name}.rules.yml": generate(spec, str(FOLDER / f"{name}.yaml"))
        for name, spec in load(root).items()
    }


def write(root: Path) -> list[Path]:
    """Write the rules and delete those whose spec is gone; return what was written."""
    texts = expected(root)
    for path in _stale(root, texts):
        (root / path).unlink()
    for path, text in texts.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(texts)


def drift(root: Path) -> list[str]:
    """Return one line for each file that differs from what its spec gives, and where."""
    texts = expected(root)
    found = [f"{path}: no spec gives it; delete it" for path in _stale(root, texts)]
    for path, text in texts.items():
        if not (root / path).is_file():
            found.append(f"{path}: is missing")
            continue
        pairs = zip_longest(text.splitlines(), (root / path).read_text("utf-8").splitlines())
        for number, (wanted, there) in enumerate(pairs, start=1):
            if wanted != there:
                found.append(f"{path}:{number}: is {there!r}, the spec gives {wanted!r}")
                break
    return found


def _stale(root: Path, texts: dict[Path, str]) -> list[Path]:
    there = sorted(path.relative_to(root) for path in (root / RULES).glob(PATTERN))
    return [path for path in there if path not in texts]
