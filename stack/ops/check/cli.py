"""`stack check`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
from rich.markup import escape

from stack.errors import ConfigurationError, OpsError
from stack.ops import modes
from stack.ops.check.lines import File, Lines, Stream, Tail
from stack.ops.check.point import Outcome, Point, Verdict
from stack.ops.check.run import check
from stack.ops.check.visit import Asked, Visit
from stack.ops.components import Plan
from stack.ops.terminal import command, out, plan_in

_SERVICES = ("gateway", "retrieval", "llm", "inbox")
_HERE = {"localhost", "127.0.0.1", "::1"}
_STYLES = {Outcome.OK: "green", Outcome.FAILS: "bold red", Outcome.NOT_CHECKED: "yellow"}


@click.command("check")
@click.argument("url")
@click.option("--path", default="", help="What to ask for.  [default: a route of its metrics]")
@click.option("--data", default="", help="JSON to post to the path.  [default: a GET]")
@click.option("--token-file", type=click.Path(path_type=Path), help="What opens /metrics.")
@click.option(
    "--faults-token-file",
    type=click.Path(path_type=Path),
    help="What opens /faults; without it no fault is tried.",
)
@click.option("--jaeger", default="", help="Where its spans are.  [default: the running stack's]")
@click.option("--logs", default="", help="Its log file, or - for standard input.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
@command
def check_service(
    run_dir: Path | None,
    *,
    url: str,
    path: str,
    data: str,
    token_file: Path | None,
    faults_token_file: Path | None,
    jaeger: str,
    logs: str,
    as_json: bool,
) -> None:
    """Tell whether the service at URL obeys the telemetry contract, point by point.

    It may be written in any language: it is asked over HTTP. Some requests are sent to it, which
    must do no harm there; --path and --data choose them. What the check needs of a service of the
    running stack, it knows. Exit status 1 when a point fails, or nobody answers.
    """
    url, path = _address(url), f"/{path.lstrip('/')}" if path else ""
    _address(url + path)
    plan = _running(run_dir)
    own = _own(plan, url)
    token, faults_token = _read(token_file), _read(faults_token_file)
    if plan is not None:
        jaeger = jaeger or plan.url("JAEGER_QUERY_PORT")
        if own:
            token = token or _read(plan.secrets / "metrics_token")
            faults_token = faults_token or _read(plan.secrets / "faults_token")
    asked = Asked(url, path, data, token, faults_token, jaeger)
    results = []
    with closing(Visit(asked, _lines(logs, plan, own))) as visit:
        for point, verdict in check(visit):
            results.append((point, verdict))
            if not as_json:
                _print(point, verdict)
    if as_json:
        click.echo(json.dumps({"url": url, "points": [_as_json(*each) for each in results]}))
    else:
        out.print(_summary(results), soft_wrap=True)
    if any(verdict.outcome is Outcome.FAILS for _, verdict in results):
        sys.exit(1)


def _print(point: Point, verdict: Verdict) -> None:
    style = _STYLES[verdict.outcome]
    seen = escape(verdict.seen)
    line = f"[{style}]{verdict.outcome:11}[/]  {point.name:22} {seen}"
    out.print(line, soft_wrap=True)
    if verdict.outcome is Outcome.FAILS:
        indent = " " * 13
        out.print(f"{indent}rule  {escape(point.rule)}", soft_wrap=True)
        out.print(f"{indent}mend  {escape(point.mend)}", soft_wrap=True)


def _summary(results: list[tuple[Point, Verdict]]) -> str:
    counts = Counter(verdict.outcome for _, verdict in results)
    failed, left = counts[Outcome.FAILS], counts[Outcome.NOT_CHECKED]
    style = _STYLES[Outcome.FAILS if failed else Outcome.OK]
    kept = f"{counts[Outcome.OK]} of {len(results)} points are kept"
    return f"\n[{style}]{kept}, {failed} fail[/], {left} not checked"


def _as_json(point: Point, verdict: Verdict) -> dict[str, str]:
    return {
        "point": point.name,
        "verdict": verdict.outcome.value,
        "seen": verdict.seen,
        "rule": point.rule,
        "mend": point.mend,
    }


def _address(url: str) -> str:
    """Return the service's address without a slash at the end.

    Raises:
        OpsError: it is none.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise OpsError(
            f"{url!r} is no address of a service: give one such as http://localhost:8000"
        )
    return url.rstrip("/")


def _running(run_dir: Path | None) -> Plan | None:
    """Return the running stack; where none can run there is none."""
    try:
        return modes.running_plan(plan_in(run_dir))
    except (OpsError, ConfigurationError):
        return None


def _own(plan: Plan | None, url: str) -> str:
    """Return which of the stack's services it is; empty for a stranger."""
    parts = urlsplit(url)
    if plan is None or parts.hostname not in _HERE:
        return ""
    ports = {plan.ports[f"{name.upper()}_PORT"]: name for name in _SERVICES}
    return ports.get(parts.port or 80, "")


def _read(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise OpsError(f"the token file {file} cannot be read ({error})") from error
    if not token or not token.isprintable():
        raise OpsError(f"the token file {file} holds no single line")
    return token


def _lines(logs: str, plan: Plan | None, own: str) -> Lines | None:
    if logs == "-":
        # A copy: a thread that waits for standard input itself would keep Python from ending.
        return Lines(Stream(os.fdopen(os.dup(0), encoding="utf-8", errors="replace")))
    if logs:
        return Lines(File(Path(logs)))
    if plan is None or not own:
        return None
    running = plan
    return Lines(Tail(lambda lines: modes.logs(running, own, lines, follow=False)))
