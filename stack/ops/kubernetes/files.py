"""The destination: what this command wrote is replaced, what others wrote is never touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stack.errors import OpsError
from stack.ops.all_or_nothing import all_or_nothing
from stack.ops.kubernetes.objects import HEADER

# The list of what was written; it tells our files from those of others.
LIST = "generated.txt"


def write(destination: Path, texts: Mapping[str, str]) -> None:
    """Write the files, and delete those of an earlier export that are given no more: all or none.

    Args:
        destination: a folder; made where it is missing.
        texts: what is given, by paths below it.

    Raises:
        OpsError: others' files are there, or it cannot be written; nothing has been changed.
    """
    with all_or_nothing(destination) as change:
        change(changes(destination, texts))


def changes(destination: Path, texts: Mapping[str, str]) -> dict[Path, str | None]:
    """Return the text of each file by its path in the destination; None where it is to go.

    Raises:
        OpsError: others' files are there, or it cannot be read.
    """
    try:
        before = _listed(destination)
        there = {
            path.relative_to(destination).as_posix()
            for path in destination.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }
    except OSError as error:
        raise OpsError(f"{destination}: cannot be read ({error}); take another folder") from error
    others = sorted(there - before - {LIST} if before else there)
    if others:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise OpsError(
            f"{destination}: has files that `stack export kubernetes` did not write ({shown}); "
            "move them away, or take an empty or new folder"
        )
    stale = before & there - set(texts)
    given = {**texts, LIST: listing(texts)}
    return {**dict.fromkeys(map(Path, sorted(stale))), **{Path(p): t for p, t in given.items()}}


def drift(destination: Path, texts: Mapping[str, str]) -> list[str]:
    """Return one line for each file that is not what is given."""
    whole = {**texts, LIST: listing(texts)}
    there = {p.relative_to(destination).as_posix() for p in destination.rglob("*") if p.is_file()}
    found = [f"{path}: is not given any more" for path in sorted(there - whole.keys())]
    for path, text in whole.items():
        if path not in there:
            found.append(f"{path}: is missing")
        elif (destination / path).read_text(encoding="utf-8") != text:
            found.append(f"{path}: differs from what is given")
    return found


def listing(texts: Mapping[str, str]) -> str:
    """Return the list of files."""
    return HEADER + "".join(f"{path}\n" for path in sorted(texts))


def _listed(destination: Path) -> set[str]:
    path = destination / LIST
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return set(text.splitlines()[1:]) if text.startswith(HEADER) else set()
