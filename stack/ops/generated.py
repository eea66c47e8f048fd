"""Files that are committed as some code gives them: written, or compared with that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

Difference = Callable[[Path, str, str], str]


def write(root: Path, texts: Mapping[Path, str], pattern: Path) -> list[Path]:
    """Write the files and delete those that are given no more; return what was written.

    Args:
        root: the checkout.
        texts: what is given, by paths below it.
        pattern: what all such files match, given or not, below the checkout.
    """
    (root / pattern.parent).mkdir(parents=True, exist_ok=True)
    for path in _stale(root, texts, pattern):
        (root / path).unlink()
    for path, text in texts.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(texts)


def drift(
    root: Path, texts: Mapping[Path, str], pattern: Path, giver: str, difference: Difference
) -> list[str]:
    """Return one line for each file that is not what is given.

    Args:
        root: the checkout.
        texts: what is given, by paths below it.
        pattern: what all such files match, given or not, below the checkout.
        giver: what gives them, in a word.
        difference: gets the path, what is given and what is there; returns the line.
    """
    found = [f"{path}: no {giver} gives it; delete it" for path in _stale(root, texts, pattern)]
    for path, text in texts.items():
        if not (root / path).is_file():
            found.append(f"{path}: is missing")
        elif (there := (root / path).read_text(encoding="utf-8")) != text:
            found.append(difference(path, text, there))
    return found


def _stale(root: Path, given: Collection[Path], pattern: Path) -> list[Path]:
    there = sorted(path.relative_to(root) for path in root.glob(str(pattern)))
    return [path for path in there if path not in given]
