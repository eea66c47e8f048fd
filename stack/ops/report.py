"""What `stack` prints, as rich renderables."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from textwrap import shorten

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from stack.ops.components import Plan
from stack.ops.status import Row

_MEGABYTE = 1_000_000
plain = escape


def table(found: Sequence[Row]) -> RenderableType:
    """Show the components, one a line, with the memory of all at the end."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    measured = any(row.cpu_percent is not None for row in found)
    titles = ["component", "state", "pid", "memory", *(["cpu"] if measured else []), "address"]
    for title in titles:
        grid.add_column(title, justify="right" if title in {"pid", "memory", "cpu"} else "left")
    for row in found:
        good = row.healthy and row.state == "running"
        state = "healthy" if good else f"{row.state}, not healthy"
        grid.add_row(
            row.name,
            f"[{'green' if good else 'bold red'}]{state}[/]",
            str(row.pid or "–"),
            f"{row.memory_bytes / _MEGABYTE:.0f} MB",
            *([f"{row.cpu_percent or 0:.1f} %"] if measured else []),
            row.address,
        )
    memory = sum(row.memory_bytes for row in found) / _MEGABYTE
    cpu = sum(row.cpu_percent or 0 for row in found)
    shares = [f"[bold]{cpu:.1f} %[/]"] if measured else []
    grid.add_row("[bold]together[/]", "", "", f"[bold]{memory:.0f} MB[/]", *shares, "")
    return Group("", grid, "")


def answer(question: str, body: Mapping[str, object] | None) -> RenderableType:
    """Show the first question and its answer."""
    if body is None:
        return Group(
            "", f"[bold]{plain(question)}[/]", "  no answer; see `make logs SERVICE=gateway`"
        )
    width = max(60, shutil.get_terminal_size().columns)
    text = shorten(str(body.get("answer", "")), 3 * width, placeholder=" …")
    return Group(
        "",
        f"[bold]{plain(question)}[/]",
        f"  {plain(text)}",
        f"  [dim]trace {plain(str(body.get('trace_id')))}[/]",
    )


def hints(plan: Plan) -> str:
    """Say what to try next."""
    return (
        f"Ask it     curl -s {plan.url('GATEWAY_PORT', '/ask')} "
        "-H 'content-type: application/json' "
        """-d '{"question":"What is a span?"}'\n"""
        f"Or here    {plan.url('GATEWAY_PORT')}\n"
        f"Dashboards {plan.dashboards_url}\n"
        f"Traces     {plan.traces_url}/search\n"
        f"Alerts     {plan.url('INBOX_PORT')}\n"
        "More load  make load RATE=5 DURATION=60\n"
        "Stop       make down\n"
    )
