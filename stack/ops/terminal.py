"""What the commands of `stack` share: what they print to, how they fail, what they would start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from rich.console import Console
from rich.markup import escape

from stack.errors import ConfigurationError, OpsError
from stack.ops import run_folder
from stack.ops.components import Plan
from stack.ops.ports import read_load_rate, read_ports, read_project, read_sampling
from stack.ops.scale.ports import SCALED
from stack.ops.scale.shards import SHARDED_PORTS, checked

P = ParamSpec("P")

out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Turn our errors into one line on standard error and exit status 1."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (OpsError, ConfigurationError) as error:
            _err.print(f"[bold red]stack:[/] {escape(str(error))}", soft_wrap=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapper


def tell(line: str) -> None:
    """Print one line of progress."""
    out.print(f"  {escape(line)}", soft_wrap=True)


def plan_in(run_dir: Path | None, *, scale: bool = False, shards: int = 1) -> Plan:
    """Return what would be started.

    Args:
        run_dir: where everything that is written goes; `.run` in the checkout if nothing is said.
        scale: whether each part runs at least twice.
        shards: in how many the targets are.

    Raises:
        ConfigurationError: the environment, `.env` or an argument is wrong.
    """
    root = run_folder.checkout()
    further = {
        **(SCALED if scale else {}),
        **(SHARDED_PORTS if checked(shards, scale=scale) > 1 else {}),
    }
    return Plan(
        root,
        folder_of(run_dir),
        read_ports(root, further=further),
        load=read_load_rate(root),
        project=read_project(root),
        scale=scale,
        sampling=read_sampling(root),
        shards=shards,
    )


def folder_of(run_dir: Path | None) -> Path:
    """Return the run folder."""
    return (run_dir or run_folder.checkout() / ".run").resolve()
