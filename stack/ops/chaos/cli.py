"""`stack chaos`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape

from stack.errors import OpsError
from stack.ops.chaos.oracles import CONTAINMENT, DETECTION, RECOVERY
from stack.ops.chaos.run import Judgement, Played, choose, play
from stack.ops.drill.guard import Interrupted
from stack.ops.modes import running_plan
from stack.ops.terminal import command, out, plan_in, tell

_MARKS = {True: "yes", False: "NO", None: "-"}


@click.command()
@click.argument("scenarios", nargs=-1, metavar="SCENARIO...")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
@command
def chaos(run_dir: Path | None, scenarios: tuple[str, ...], as_json: bool) -> None:
    """Play SCENARIO on the running stack, and judge what follows: seen, contained, over again.

    A name, a number, or ALL; after `stack up --speed 10` all of them take three minutes. Ctrl-C
    ends the fault. The exit status is 1 when an oracle is not met.
    """
    chosen = choose(scenarios)
    plan = running_plan(plan_in(run_dir))
    if plan is None:
        raise OpsError("nothing runs to be disturbed; `make up` starts it")
    if plan.scale:
        raise OpsError("what runs twice is not disturbed; `make down up` starts each part once")
    played: list[Played] = []

    def done(each: Played) -> None:
        played.append(each)
        if not as_json:
            click.echo(f"{table(each)}\n")

    try:
        play(plan, chosen, _quiet if as_json else tell, done)
    except Interrupted as asked:
        sys.exit(128 + asked.number)
    finally:
        if as_json:
            click.echo(json.dumps({"scenarios": [_as_json(each) for each in played]}))
    if not as_json:
        out.print(verdict(played), soft_wrap=True)
    if any(each.failed for each in played):
        sys.exit(1)


def table(played: Played) -> str:
    """Show what each oracle says, whether it is so, and by which figure; one a line."""
    order = (DETECTION, CONTAINMENT, RECOVERY)
    rows = sorted(played.judgements, key=lambda each: order.index(each.oracle.kind))
    return "\n".join(_row(each) for each in rows)


def verdict(played: Sequence[Played]) -> str:
    """Say in one line how many scenarios ended as they must, and else which oracle failed."""
    bad = [
        f"{each.scenario.name}: {failed.oracle.kind}: not so: {failed.oracle.says} "
        f"({failed.measured})"
        for each in played
        if (failed := each.failed)
    ]
    if bad:
        return (
            f"[bold red]{len(bad)} of {len(played)} scenarios failed[/]: {escape('; '.join(bad))}"
        )
    return f"[bold green]{len(played)} of {len(played)} scenarios seen, contained and over[/]"


def _row(each: Judgement) -> str:
    oracle = each.oracle
    return f"    {oracle.kind:12}{_MARKS[each.met]:4}{oracle.says:72}{each.measured}".rstrip()


def _as_json(played: Played) -> dict[str, object]:
    failed = played.failed
    return {
        "name": played.scenario.name,
        "what": played.scenario.what,
        "failed": failed.oracle.says if failed else None,
        "events": [{"after": round(at, 3), "what": what} for at, what in played.events],
        "oracles": [
            {
                "kind": each.oracle.kind,
                "says": each.oracle.says,
                "met": each.met,
                "measured": each.measured,
            }
            for each in played.judgements
        ],
    }


def _quiet(_: str) -> None:
    """What a script does not read."""
