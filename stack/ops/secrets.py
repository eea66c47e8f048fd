"""Secrets that are made at the first start and kept in files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

NAMES = ("metrics_token", "faults_token")


def make_secrets(folder: Path) -> None:
    """Make those that are missing; existing ones stay as they are.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        path = folder / name
        if not path.exists() or not path.read_text(encoding="ascii").strip():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{secrets.token_urlsafe(32)}\n")
