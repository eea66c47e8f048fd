"""The `stack` command. Each command exits non-zero with one clear line when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import click

from stack.errors import OpsError
from stack.ops import local, modes, report, run_folder, status
from stack.ops.chaos.cli import chaos
from stack.ops.check.cli import check_service
from stack.ops.components import further_load
from stack.ops.dashboards.cli import dashboards
from stack.ops.docker import build
from stack.ops.docker.engine import find_engine
from stack.ops.doctor.cli import doctor
from stack.ops.drill.cli import fire_drill
from stack.ops.kubernetes.cli import export
from stack.ops.scaffold.cli import service
from stack.ops.simulate.cli import breaker
from stack.ops.size.cli import size_command
from stack.ops.slo.cli import slo
from stack.ops.terminal import command, folder_of, out, plan_in, tell

FIRST_QUESTION = "What do I do when CircuitBreakerOpen fires?"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--run-dir",
    envvar="STACK_RUN_DIR",
    type=click.Path(path_type=Path),
    help="Where everything that is written goes.  [default: .run in the checkout]",
)
@click.version_option(package_name="stack")
@click.pass_context
def main(context: click.Context, run_dir: Path | None) -> None:
    """Run and look at the observability stack."""
    context.obj = run_dir


main.add_command(slo)
main.add_command(dashboards)
main.add_command(fire_drill)
main.add_command(chaos)
main.add_command(check_service)
main.add_command(service)
main.add_command(breaker)
main.add_command(doctor)
main.add_command(export)
main.add_command(size_command)


@main.command()
@click.option(
    "--mode",
    type=click.Choice(["auto", "compose", "local"]),
    default="auto",
    show_default=True,
    help="As containers or as local processes; auto: containers if their images can be had.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 100),
    default=1.0,
    show_default=True,
    help="Divide the waiting times of alerts and breakers by this, for drills.",
)
@click.option(
    "--load",
    type=click.FloatRange(0, 50),
    help="Questions per second that the load generator asks; 0 for none.  [default: LOAD_RATE]",
)
@click.option(
    "--scale", is_flag=True, help="Everything at least twice, with Thanos, Cassandra and Caddy."
)
@click.option(
    "--shards",
    type=int,
    default=1,
    show_default=True,
    help="With --scale: each shard's pair of Prometheus scrapes its share of the targets; 1 or 2.",
)
@click.pass_obj
@command
def up(
    run_dir: Path | None,
    *,
    mode: str,
    speed: float,
    load: float | None,
    scale: bool,
    shards: int,
) -> None:
    """Start everything, wait until it is healthy, ask a first question."""
    plan = plan_in(run_dir, scale=scale, shards=shards)
    plan = replace(plan, speed=speed, load=plan.load if load is None else load)
    began = time.monotonic()
    runner = modes.decide(plan, mode, tell)
    out.print(f"[bold]stack up[/], {runner.plan.mode} mode")
    started = runner.up()
    plan = run_folder.load(plan.run_dir) or plan
    if started:
        out.print(report.answer(FIRST_QUESTION, local.first_answer(plan, FIRST_QUESTION)))
        for url, code in local.first_requests(plan).items():
            tell(f"{url} is answered with {code}" if code else f"{url} has no answer")
    out.print(report.table(status.rows(plan)))
    out.print(report.hints(plan), soft_wrap=True)
    took = f"{time.monotonic() - began:.0f} s"
    out.print(f"[bold green]up[/] in {took}" if started else "[bold green]already up[/]")


@main.command()
@click.option("--volumes", is_flag=True, help="Delete what is stored, too.")
@click.pass_obj
@command
def down(run_dir: Path | None, volumes: bool) -> None:
    """Stop everything; what is stored stays."""
    stopped = modes.down(plan_in(run_dir), volumes=volumes)
    kept = "deleted" if volumes else "kept"
    out.print(f"stack down; data is {kept}" if stopped else "nothing was running")


@main.command("images")
@click.option("--rebuild", is_flag=True, help="Also what is there already.")
@click.option("--scale", is_flag=True, help="Also what `stack up --scale` runs.")
@click.pass_obj
@command
def build_images(run_dir: Path | None, rebuild: bool, scale: bool) -> None:
    """Build the images that no registry is needed for, from packages."""
    folder = folder_of(run_dir)
    engine = find_engine(folder)
    build.build(run_folder.checkout(), folder, engine, tell, anew=rebuild, scale=scale)
    for name, size in build.listing(engine):
        out.print(f"{name:28} {size / 1e6:5.0f} MB")


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
@command
def show_status(run_dir: Path | None, as_json: bool) -> None:
    """Show what runs, its health, memory and address; exit status 1 unless all is healthy."""
    found = status.rows(plan_in(run_dir))
    if as_json:
        click.echo(json.dumps({"components": [asdict(row) for row in found]}))
    elif found:
        out.print(report.table(found))
    else:
        out.print("nothing runs; `make up` starts it")
    if not found or not all(row.healthy for row in found):
        sys.exit(1)


@main.command()
@click.argument("name", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
@click.option("--lines", "-n", type=click.IntRange(0), default=40, show_default=True)
@click.pass_obj
@command
def logs(run_dir: Path | None, name: str | None, follow: bool, lines: int) -> None:
    """Show the end of one component's log, or of all."""
    for line in modes.logs(plan_in(run_dir), name, lines, follow):
        click.echo(line)


@main.command()
@click.option("--rate", type=click.FloatRange(0.1, 200), default=5.0, show_default=True)
@click.option("--duration", type=click.FloatRange(1), default=60.0, show_default=True)
@click.pass_obj
@command
def load(run_dir: Path | None, rate: float, duration: float) -> None:
    """Ask the gateway RATE questions per second for DURATION seconds."""
    plan = modes.running_plan(plan_in(run_dir))
    if plan is None:
        raise OpsError("nothing runs to put load on; `make up` starts it")
    command_line, environment = further_load(plan, rate, duration)
    ended = subprocess.run(  # noqa: S603 -- our own interpreter and module
        command_line, env=environment, cwd=plan.root, check=False
    )
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
