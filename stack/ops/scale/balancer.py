"""Caddy, which stands before services that run several times: found, or fetched without root."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.binaries import bin_folder, locked, place
from stack.ops.commands import Progress

PACKAGES = ("caddy",)
_SUITE = "sid"


def find_balancer(run_dir: Path, progress: Progress) -> Path:
    """Return Caddy's program; the first call fetches it.

    It is looked for in `STACK_BIN_DIR` or else `<run_dir>/bin`, on PATH, in Debian's packages.

    Raises:
        OpsError: it cannot be had; the message says what helps.
    """
    folder = bin_folder(run_dir)
    program = folder / "caddy"
    if os.access(program, os.X_OK):
        return program
    on_path = shutil.which("caddy")
    if on_path:
        return Path(on_path)
    with locked(folder):
        if not os.access(program, os.X_OK):
            progress("fetching Caddy from Debian packages …")
            _fetch(program)
    return program


def _fetch(program: Path) -> None:
    try:
        missing = debian.available()
        if missing:
            raise OpsError(missing)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=program.parent) as scratch:
            debian.unpack(_SUITE, PACKAGES, Path(scratch))
            place(Path(scratch) / "usr" / "bin" / "caddy", program)
    except OpsError as error:
        raise OpsError(
            f"Caddy is not to be had from Debian packages: {error}; put caddy on PATH"
        ) from error
