"""Changes of several files of a checkout, of which all are made or none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from stack.errors import OpsError

# The text of each file by its path in the checkout; None where it is to go.
Changes = Mapping[Path, str | None]


def change(root: Path, changes: Changes) -> None:
    """Write and delete files; the folders that this leaves empty go, too.

    Raises:
        OpsError: one cannot be written; then all are as they were.
    """
    before: dict[Path, bytes | None] = {}
    try:
        for path in changes:
            before[path] = (root / path).read_bytes() if (root / path).is_file() else None
        for path, text in changes.items():
            _put(root, path, None if text is None else text.encode())
    except BaseException as error:
        for path, content in before.items():
            with suppress(OSError):
                _put(root, path, content)
        if isinstance(error, OSError):
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
        if folder.is_dir() and any(each.name != "__pycache__" for each in folder.iterdir()):
            break
        shutil.rmtree(folder, ignore_errors=True)
