"""`stack size`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.table import Table

from stack.errors import ConfigurationError
from stack.ops import durations
from stack.ops.size.constants import read_constants
from stack.ops.size.model import Load, Machine, Size, Step, size, steps
from stack.ops.terminal import command, out


@click.command("size")
@click.option("--services", type=int, required=True, help="Kinds of services.")
@click.option("--instances", type=int, required=True, help="Instances of each service.")
@click.option("--rps", type=float, required=True, help="Requests a second from outside, together.")
@click.option("--retention", default="30d", show_default=True, help="How long samples are kept.")
@click.option("--trace-retention", default="72h", show_default=True, help="How long spans are.")
@click.option("--interval", default="5s", show_default=True, help="Between two scrapes.")
@click.option("--sampled", type=float, default=1.0, show_default=True, help="Share of traces kept.")
@click.option("--memory", type=float, default=4.0, show_default=True, help="GB for Prometheus.")
@click.option("--processors", type=float, default=2.0, show_default=True, help="For a component.")
@click.option("--disk", type=float, default=200.0, show_default=True, help="GB for a component.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@command
def size_command(
    *,
    services: int,
    instances: int,
    rps: float,
    retention: str,
    trace_retention: str,
    interval: str,
    sampled: float,
    memory: float,
    processors: float,
    disk: float,
    as_json: bool,
) -> None:
    """Say what Prometheus and Jaeger need for a load, and when one of each is not enough.

    The numbers follow from constants that were measured: docs/sizing.md has them.
    """
    load = Load(
        services=services,
        instances=instances,
        rps=rps,
        retention=_seconds("--retention", retention),
        trace_retention=_seconds("--trace-retention", trace_retention),
        interval=_seconds("--interval", interval),
        sampled=sampled,
    )
    machine = Machine(memory=memory * 1e9, processors=processors, disk=disk * 1e9)
    of = {name: each.value for name, each in read_constants().items()}
    needs, ahead = size(load, of), steps(load, of, machine)
    if as_json:
        listed = [asdict(each) | {"due": each.due} for each in ahead]
        click.echo(json.dumps({"load": asdict(load), "needs": asdict(needs), "steps": listed}))
        return
    out.print(_needs(needs, retention, trace_retention))
    out.print(_steps(ahead))


def _seconds(option: str, text: str) -> float:
    try:
        return durations.seconds(text)
    except ValueError:
        raise ConfigurationError(option, text, "a duration such as 15s, 72h or 30d") from None


def _needs(needs: Size, retention: str, trace_retention: str) -> Table:
    table = Table("needs", "", box=None)
    table.columns[1].justify = "right"
    for name, text in (
        ("active series", f"{needs.series:,.0f}"),
        ("samples a second", f"{needs.samples_per_second:,.0f}"),
        ("memory of Prometheus", _bytes(needs.prometheus_memory)),
        (f"disk of Prometheus, {retention}", _bytes(needs.prometheus_disk)),
        ("processors of Prometheus", f"{needs.prometheus_cpu:.2f}"),
        ("network, scrapes", f"{_bytes(needs.scrape_bytes_per_second)}/s"),
        ("spans a second", f"{needs.spans_per_second:,.0f}"),
        ("memory of Jaeger", _bytes(needs.jaeger_memory)),
        (f"disk of Jaeger, {trace_retention}", _bytes(needs.jaeger_disk)),
        ("processors of Jaeger", f"{needs.jaeger_cpu:.2f}"),
        ("network, spans", f"{_bytes(needs.span_bytes_per_second)}/s"),
    ):
        table.add_row(name, text)
    return table


def _steps(ahead: list[Step]) -> Table:
    table = Table("component", "needs", "one can do", "next step", box=None)
    for each in ahead:
        table.add_row(
            each.component,
            f"{each.needs:,.0f} {each.unit}",
            "any" if each.limit is None else f"{each.limit:,.0f}",
            ("[bold]now:[/] " if each.due else "then: ") + each.then,
        )
    return table


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"
