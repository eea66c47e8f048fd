"""Running other programs: what they print, or one error that says what went wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stack.errors import OpsError

Progress = Callable[[str], None]

LAST_LINE = slice(-1, None)


def run(
    command: Sequence[str],
    *,
    stdin: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
    shown: slice = LAST_LINE,
    both: bool = False,
) -> str:
    """Return what a program prints on its standard output.

    Args:
        command: the program and its arguments.
        stdin: a file that it reads; nothing if not given.
        env: added to this process's environment.
        cwd: where it is started.
        timeout: seconds until it is ended.
        shown: which of its lines the error has.
        both: return what it prints on standard error, too.

    Raises:
        OpsError: it is not there, fails or takes too long.
    """
    try:
        with (stdin or Path(os.devnull)).open("rb") as source:
            ended = subprocess.run(  # noqa: S603 -- our own commands
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if both else subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, **(env or {})},
                cwd=cwd,
                timeout=timeout,
                check=False,
                # Ctrl-C is for us: what a program has begun, it brings to its end.
                start_new_session=True,
            )
    except subprocess.TimeoutExpired:
        raise OpsError(f"{command[0]} took longer than {timeout:g} s") from None
    except OSError as error:
        raise OpsError(f"{command[0]} cannot be run: {error}") from error
    if ended.returncode != 0:
        lines = _lines(ended.stderr or "") or _lines(ended.stdout)
        said = "\n  ".join(lines[shown]) or f"exit {ended.returncode}"
        raise OpsError(f"{command[0]}: {said}")
    return ended.stdout


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
