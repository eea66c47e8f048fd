"""`stack slo`: list and explain the objectives, write and check their rules."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from stack.errors import OpsError
from stack.ops import report, run_folder
from stack.ops.slo import explain, files
from stack.ops.slo.rules import percent
from stack.ops.slo.spec import FOLDER, Slo, load

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


class _Group(click.Group):
    """Turns our errors into one line each on standard error, and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OpsError as error:
            for line in str(error).splitlines():
                _err.print(f"[bold red]stack:[/] {report.plain(line)}", soft_wrap=True)
            sys.exit(1)


@click.group(cls=_Group)
def slo() -> None:
    """Objectives in prometheus/slo, and the rules that are made of them."""


@slo.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 if the rules differ.")
def generate(check: bool) -> None:
    """Write prometheus/rules/slo-*.rules.yml anew."""
    root = run_folder.checkout()
    if not check:
        for path in files.write(root):
            _out.print(f"wrote {path}")
    elif differences := files.drift(root):
        raise OpsError(
            "\n".join([*differences, "the rules are not those of the specs: `make slo`"])
        )
    else:
        _out.print(f"the rules are those of {FOLDER}")


@slo.command("list")
def show_all() -> None:
    """Show every objective."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("slo", "service", "objective", ""):
        grid.add_column(title)
    for service, each in _all():
        grid.add_row(each.name, service, percent(each.objective), report.plain(each.description))
    _out.print(grid)


@slo.command("explain")
@click.argument("name", metavar="SLO")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def explain_one(name: str, as_json: bool) -> None:
    """Show the budget of an SLO, and when its alerts fire and resolve."""
    known = {each.name: (service, each) for service, each in _all()}
    if name not in known:
        raise OpsError(f"no SLO {name!r}; there are {', '.join(known)}")
    service, found = known[name]
    numbers = explain.numbers(found, service)
    if as_json:
        click.echo(json.dumps(numbers))
    else:
        _out.print(explain.show(numbers))


def _all() -> list[tuple[str, Slo]]:
    specs = load(run_folder.checkout()).values()
    return [(spec.service, each) for spec in specs for each in spec.slos]
