"""Changes of several files of a folder, of which all are made or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from stack.errors import OpsError

# The text of each file by its path in the folder; None where it is to go.
Changes = Mapping[Path, str | None]


@contextmanager
def all_or_nothing(root: Path) -> Iterator[Callable[[Changes], None]]:
    """Give a function that writes and deletes files; it may be called again with what follows.

    The folders that a deletion leaves empty go, too.

    Args:
        root: the folder.

    Raises:
        OpsError: a file cannot be written, or the block raised it; all files are as they were.
    """
    before: dict[Path, bytes | None] = {}

    def change(changes: Changes) -> None:
        for path in changes:
            if path not in before:
                before[path] = (root / path).read_bytes() if (root / path).is_file() else None
        for path, text in changes.items():
            _put(root, path, None if text is None else text.encode())

    try:
        yield change
    except BaseException as error:
        for path, content in before.items():
            with suppress(OSError):
                _put(root, path, content)
        if isinstance(error, (OSError, OpsError)):
            raise OpsError(f"{error}; nothing has been changed") from error
        raise


def _put(root: Path, path: Path, content: bytes | None) -> None:
    file = root / path
    if content is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return
    file.unlink(missing_ok=True)
    for folder in file.parents:
        if folder == root or (
            folder.is_dir() and any(each.name != "__pycache__" for each in folder.iterdir())
        ):
            break
        shutil.rmtree(folder, ignore_errors=True)
