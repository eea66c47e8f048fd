"""`stack fire-drill`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import click

from stack.errors import OpsError
from stack.ops.drill.guard import Interrupted
from stack.ops.drill.run import drill, names
from stack.ops.drill.timeline import STEPS, TimeLine
from stack.ops.modes import running_plan
from stack.ops.terminal import command, out, plan_in, tell

ALL = "ALL"
# Columns of the table, in characters.
_NAMES = 35
_TIMES = 10


@click.command("fire-drill")
@click.argument("alerts", nargs=-1, metavar="ALERT...")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
@command
def fire_drill(run_dir: Path | None, alerts: tuple[str, ...], as_json: bool) -> None:
    """Make ALERT fire on the running stack, and follow it to the inbox and back.

    ALL drills every alert there is. At full speed that can take days, since windows do; after
    `stack up --speed 20` it takes some minutes. Ctrl-C ends the faults. If a drill is killed, the
    next one first puts back what it left; so does `make down`, and `make up` after it.
    """
    if not alerts:
        raise OpsError(f"ALERT= names what is to fire: {ALL}, {', '.join(names())}")
    plan = running_plan(plan_in(run_dir))
    if plan is None:
        raise OpsError("nothing runs to be drilled; `make up` starts it")
    if plan.scale:
        raise OpsError("what runs twice is not drilled; `make down up` starts each part once")
    wanted = [name for each in alerts for name in (names() if each == ALL else (each,))]
    try:
        lines = drill(plan, wanted, _quiet if as_json else tell)
    except Interrupted as asked:
        sys.exit(128 + asked.number)
    if as_json:
        click.echo(json.dumps({"drills": [_as_json(line) for line in lines]}))
    else:
        click.echo(f"\n{table(lines)}\n")
        out.print(_verdict(lines, plan.speed), soft_wrap=True)
    if not all(line.complete for line in lines):
        sys.exit(1)


def table(lines: Sequence[TimeLine]) -> str:
    """Show the time lines below their faults, one alert a line, in seconds after the fault."""
    rows = [f"{'':{_NAMES}}{''.join(f'{step:>{_TIMES}}' for step in STEPS)}"]
    for cause, alerts in groupby(lines, key=lambda line: line.cause):
        rows.append(cause)
        for line in alerts:
            times = [line.after_fault(step) for step in STEPS]
            shown = ["never" if each is None else f"{each:.1f} s" for each in times]
            rows.append(
                f"  {line.alert.name:{_NAMES - 2}}{''.join(f'{each:>{_TIMES}}' for each in shown)}"
            )
    return "\n".join(rows)


def _verdict(lines: Sequence[TimeLine], speed: float) -> str:
    pace = "at full speed" if speed == 1 else f"all waiting times divided by {speed:g}"
    bad = [f"{line.alert.name} was never {line.missing}" for line in lines if line.missing]
    if bad:
        return f"[bold red]{len(bad)} of {len(lines)} drills failed[/]: {'; '.join(bad)} ({pace})"
    return f"[bold green]{len(lines)} of {len(lines)} alerts arrived and were resolved[/] ({pace})"


def _as_json(line: TimeLine) -> dict[str, object]:
    steps = {step: line.after_fault(step) for step in STEPS}
    return {**asdict(line.alert), "cause": line.cause, "missing": line.missing, **steps}


def _quiet(_: str) -> None:
    """What a script does not read."""
