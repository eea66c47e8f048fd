"""`stack service`: add one to the stack, take it away, list them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from stack.ops import run_folder
from stack.ops.added import added, variable_of
from stack.ops.ports import read_ports
from stack.ops.scaffold import service as services
from stack.ops.terminal import command, folder_of, tell


@click.group()
def service() -> None:
    """Services of your own: copies of services/template."""


@service.command("add")
@click.argument("name")
@click.option("--port", help="Where it listens.  [default: the next free one from 8010]")
@click.pass_obj
@command
def add(run_dir: Path | None, name: str, port: str | None) -> None:
    """Copy services/template as NAME, and register it everywhere."""
    root, anew = run_folder.checkout(), _anew(run_dir)
    _show(services.add(root, name, port))
    address = f"http://localhost:{read_ports(root)[variable_of(name)]}"
    tell(f"`make up` starts it, where the stack runs `{anew}`; then curl {address}/hello")


@service.command("remove")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when its code has been changed.")
@click.pass_obj
@command
def remove(run_dir: Path | None, name: str, force: bool) -> None:
    """Take an added service away."""
    root, anew = run_folder.checkout(), _anew(run_dir)
    _show(services.remove(root, name, force=force))
    tell(f"`{anew}` ends it, where it runs")


@service.command("list")
@command
def show_all() -> None:
    """Show what was added, each with its port."""
    for each in added(run_folder.checkout()):
        click.echo(f"{each.name:30} {each.port:5}  {each.shows}")


def _anew(run_dir: Path | None) -> str:
    """Return the command that starts the stack again as it was started last."""
    last = run_folder.load(folder_of(run_dir))
    return last.make("down up") if last else "make down up"


def _show(done: Mapping[Path, str]) -> None:
    for path, what in done.items():
        tell(f"{what:8}{path}")
