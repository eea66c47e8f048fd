"""`stack doctor`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import click
from rich.markup import escape

from stack.errors import OpsError
from stack.ops.doctor.finding import NOT_CHECKED, OK, PROBLEM, Finding
from stack.ops.doctor.run import examine
from stack.ops.doctor.sources import Sources
from stack.ops.modes import running_plan
from stack.ops.terminal import command, out, plan_in

_MARKS = {
    OK: "[green]ok[/]         ",
    PROBLEM: "[bold red]problem[/]    ",
    NOT_CHECKED: "[yellow]not checked[/]",
}
_NAME = 18


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
@command
def doctor(run_dir: Path | None, as_json: bool) -> None:
    """Say what is wrong with the running stack, why, and what mends it.

    Exit status 1 if there is a problem. What could not be checked is said, and is none.
    """
    plan = running_plan(plan_in(run_dir))
    if plan is None:
        raise OpsError("nothing runs to be examined; `make up` starts it")
    began = time.monotonic()
    findings = examine(Sources(plan))
    took = time.monotonic() - began
    problems = sum(len(each.problems) for each in findings)
    if as_json:
        checks = [asdict(each) for each in findings]
        click.echo(json.dumps({"ok": not problems, "seconds": round(took, 2), "checks": checks}))
    else:
        for line in lines(findings):
            out.print(line, soft_wrap=True)
        out.print(_verdict(findings, problems, took), soft_wrap=True)
    if problems:
        sys.exit(1)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what a person reads: below each symptom its checks, below each problem its mend."""
    for symptom, group in groupby(findings, key=lambda each: each.symptom):
        yield f"[bold]{symptom}[/]"
        for each in group:
            yield f"  {_MARKS[each.verdict]} {each.name:{_NAME}} {escape(each.seen)}"
            for problem in each.problems:
                yield f"    [red]{escape(problem.what)}[/]"
                yield f"      mend: {escape(problem.mend)}"


def _verdict(findings: Sequence[Finding], problems: int, took: float) -> str:
    unknown = sum(each.verdict == NOT_CHECKED for each in findings)
    rest = f", {unknown} not checked" if unknown else ""
    count = f"{len(findings)} checks{rest} in {took:.1f} s"
    if problems:
        plural = "problem" if problems == 1 else "problems"
        return f"\n[bold red]{problems} {plural}[/] ({count})"
    return f"\n[bold green]no problem found[/] ({count})"
