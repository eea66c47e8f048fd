"""Secrets that are made at the first start and kept in files.

`python -m stack.ops.secrets FILE...` makes the files that are missing; Compose runs it in a
container that shares each file only with those that need it. One named `credentials` has the form
that clients of S3 read.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = ("metrics_token", "faults_token")
_CREDENTIALS = "[default]\naws_access_key_id = stack\naws_secret_access_key = {secret}\n"


def make_secrets(folder: Path) -> None:
    """Make those that are missing in a folder that only its owner can enter.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        make_secret(folder / name, mode=0o600)


def make_secret(path: Path, mode: int) -> None:
    """Write 256 random bits, unless the file holds something already; whole, or not at all.

    Raises:
        OSError: it cannot be written.
    """
    if path.exists() and path.read_text(encoding="ascii").strip():
        return
    secret = secrets.token_urlsafe(32)
    text = _CREDENTIALS.format(secret=secret) if path.name == "credentials" else f"{secret}\n"
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    draft.chmod(mode)
    draft.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Make the files named, readable for all who share their volume.

    Returns:
        The process's exit status.
    """
    try:
        for argument in arguments:
            make_secret(Path(argument), mode=0o444)
    except OSError as error:
        sys.stderr.write(f"secrets: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
