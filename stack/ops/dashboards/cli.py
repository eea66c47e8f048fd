"""`stack dashboards`: write and check Grafana's dashboards."""

from __future__ import annotations

import click

from stack.errors import OpsError
from stack.ops import run_folder
from stack.ops.terminal import command, out


@click.group()
def dashboards() -> None:
    """Grafana's dashboards, which are made by code."""


@dashboards.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 if the files differ.")
@command
def generate(check: bool) -> None:
    """Write grafana/dashboards/*.json anew."""
    # The library that makes them takes a while to load, and no other command needs it.
    from stack.ops.dashboards import files

    root = run_folder.checkout()
    if not check:
        for path in files.write(root):
            out.print(f"wrote {path}")
    elif differences := files.drift(root):
        raise OpsError("\n".join([*differences, "the dashboards differ: `make dashboards`"]))
    else:
        out.print(f"{files.FOLDER} is what the code gives")
