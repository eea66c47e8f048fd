"""The destination: what this command wrote is replaced, what others wrote is never touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stack.errors import OpsError
from stack.ops.kubernetes.objects import HEADER

# The list of what was written; it tells our files from those of others.
LIST = "generated.txt"


def write(destination: Path, texts: Mapping[str, str]) -> None:
    """Write the files, and delete those of an earlier export that are given no more.

    Args:
        destination: a folder; made where it is missing.
        texts: what is given, by paths below it.

    Raises:
        OpsError: others' files are there, or it cannot be written; then nothing was changed, or
            what could not be written is named.
    """
    try:
        before = _listed(destination)
        there = {
            path.relative_to(destination).as_posix()
            for path in destination.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }
        others = sorted(there - before - {LIST} if before else there)
        if others:
            shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            raise OpsError(
                f"DEST={destination}: has files that this command did not write ({shown}); "
                "name an empty or new folder, or move them away"
            )
        for path in sorted(before & there - set(texts)):
            stale = destination / path
            stale.unlink()
            if not any(stale.parent.iterdir()):
                stale.parent.rmdir()
        for path, text in {**texts, LIST: listing(texts)}.items():
            (destination / path).parent.mkdir(parents=True, exist_ok=True)
            (destination / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"DEST={destination}: cannot be written ({error}); name another") from error


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
