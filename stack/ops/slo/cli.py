"""`stack slo`: list and explain the objectives, write and check their rules."""

from __future__ import annotations

import json

import click

from stack.errors import OpsError
from stack.ops import report, run_folder
from stack.ops.slo import explain, files
from stack.ops.slo.rules import percent
from stack.ops.slo.spec import FOLDER, Slo, load
from stack.ops.terminal import command, out


@click.group()
def slo() -> None:
    """Objectives in prometheus/slo, and the rules that are made of them."""


@slo.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 if the rules differ.")
@command
def generate(check: bool) -> None:
    """Write prometheus/rules/slo-*.rules.yml anew."""
    root = run_folder.checkout()
    if not check:
        for path in files.write(root):
            out.print(f"wrote {path}")
    elif differences := files.drift(root):
        raise OpsError(
            "\n".join([*differences, "the rules are not those of the specs: `make slo`"])
        )
    else:
        out.print(f"the rules are those of {FOLDER}")


@slo.command("list")
@command
def show_all() -> None:
    """Show every objective."""
    grid = explain.table("slo", "service", "objective")
    for service, each in _all():
        objective = f"{percent(each.objective)} {report.plain(each.description)}"
        grid.add_row(each.name, service, objective)
    out.print(grid)


@slo.command("explain")
@click.argument("name", metavar="SLO")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@command
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
        out.print(explain.show(numbers))


def _all() -> list[tuple[str, Slo]]:
    specs = load(run_folder.checkout()).values()
    return [(spec.service, each) for spec in specs for each in spec.slos]
