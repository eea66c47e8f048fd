"""The run folder: what was started, so that other commands find it, and one command at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import stack
from stack.errors import OpsError
from stack.ops.components import Plan

_STATE = "stack.json"


def checkout() -> Path:
    """Return the folder with the components' configuration and the services.

    Raises:
        OpsError: the library is installed without them.
    """
    root = Path(stack.__file__).parents[1]
    if not (root / "prometheus" / "prometheus.yml").is_file() or not (root / "services").is_dir():
        raise OpsError(f"{root} is no checkout of the stack; run `make up` in one")
    return root


def save(plan: Plan) -> None:
    """Remember what was started."""
    known = {**asdict(plan), "root": str(plan.root), "run_dir": str(plan.run_dir)}
    draft = plan.run_dir / f"{_STATE}.new"
    draft.write_text(json.dumps(known, indent=2), encoding="utf-8")
    draft.replace(plan.run_dir / _STATE)


def load(run_dir: Path) -> Plan | None:
    """Return what was started last in this folder; None when nothing was."""
    try:
        known = json.loads((run_dir / _STATE).read_text(encoding="utf-8"))
        return Plan(**{**known, "root": Path(known["root"]), "run_dir": run_dir})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OpsError(
            f"{run_dir / _STATE} cannot be read ({error}); delete it and run `make up`"
        ) from error


@contextmanager
def locked(
    run_dir: Path, name: str = "lock", busy: str = "another stack command is at work"
) -> Iterator[int]:
    """Keep other commands from starting or stopping things in this folder.

    Args:
        run_dir: the folder.
        name: the lock's file in it.
        busy: what the error says that another command does.

    Yields:
        the descriptor of the lock's file, which may be read and written.

    Raises:
        OpsError: the folder cannot be made, or another command is at work.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OpsError(f"cannot write to {run_dir}: {error}; choose another --run-dir") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise OpsError(f"{busy} in {run_dir}; wait for it") from None
    finally:
        os.close(descriptor)
