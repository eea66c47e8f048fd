"""`stack breaker simulate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from stack.breaker import BreakerConfig, CircuitState
from stack.errors import OpsError
from stack.ops.simulate import show, svg
from stack.ops.simulate.patterns import PATTERNS, Scene
from stack.ops.simulate.run import Outcome, simulate
from stack.ops.simulate.settings import DESCRIPTIONS, NAMES, WHOLE, settings
from stack.ops.terminal import command, out

F = TypeVar("F", bound=Callable[..., Any])

_RATIO = click.FloatRange(0, 1)
# Calls in one run: what is computed in a few seconds.
_MOST_CALLS = 200_000
_WIDEST = 160
_SCENE = {
    "rate": (click.FloatRange(0.1, 1000), "Calls a second."),
    "error_ratio": (_RATIO, "Share of failing calls of `steady`."),
    "background_ratio": (_RATIO, "Share of failing calls when nothing is wrong."),
    "call_seconds": (click.FloatRange(0.001, 60), "What a call takes."),
    "slow_seconds": (click.FloatRange(0.001, 600), "What a call takes in `slow`."),
    "flap_seconds": (click.FloatRange(0.1, 3600), "Half a turn of `flapping`."),
    "fault_seconds": (click.FloatRange(1, 7200), "How long the fault lasts."),
}


@click.group()
def breaker() -> None:
    """Circuit breakers: choose their thresholds."""


def _breaker_options(function: F) -> F:
    """Add the options of `BreakerConfig`, in its order, each repeatable."""
    for name, text in reversed(DESCRIPTIONS.items()):
        default = getattr(BreakerConfig(), name)
        shown = "none" if default is None else f"{default:g}"
        function = click.option(
            f"--{name.replace('_', '-')}",
            multiple=True,
            type=int if name in WHOLE else float,
            help=f"{text}  [default: {shown}]",
        )(function)
    return function


def _scene_options(function: F) -> F:
    """Add what describes the calls and the faults."""
    defaults = Scene()
    for name, (kind, text) in reversed(_SCENE.items()):
        function = click.option(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(defaults, name),
            show_default=True,
            help=text,
        )(function)
    return function


@breaker.command("simulate")
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    type=click.Choice(list(PATTERNS)),
    help="How it fails; can be repeated.  [default: all]",
)
@_breaker_options
@_scene_options
@click.option("--seed", type=int, default=1, show_default=True, help="The same gives the same.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option(
    "--svg", "svg_file", type=click.Path(path_type=Path), help="Write the time lines there, too."
)
@command
def simulate_command(
    patterns: tuple[str, ...], seed: int, as_json: bool, svg_file: Path | None, **given: Any
) -> None:
    """Run the real circuit breaker against failures, on a simulated clock.

    The breaker's options have the library's names. Each can be repeated, and every combination is
    run against the same calls: --failure-ratio 0.2 --failure-ratio 0.5.
    """
    scene = Scene(**{name: given[name] for name in _SCENE})
    compared = settings({name: given[name] for name in NAMES})
    wanted = [name for name in PATTERNS if name in patterns or not patterns]
    work = scene.rate * scene.end * len(compared) * len(wanted)
    if work > _MOST_CALLS * len(PATTERNS):
        raise OpsError(f"{work:,.0f} calls take too long; lower --rate or --fault-seconds")
    outcomes = [
        simulate(name, scene, each.options, seed=seed, setting=each.name)
        for name in wanted
        for each in compared
    ]
    if svg_file is not None:
        _write(svg_file, svg.picture(outcomes, scene))
    if as_json:
        click.echo(json.dumps({"seed": seed, "scene": asdict(scene), "outcomes": _plain(outcomes)}))
        return
    out.print(
        f"{scene.rate:g} calls a second, seed {seed}; "
        f"fault from {scene.before:g} s to {scene.recovery:g} s of {scene.end:g} s",
        soft_wrap=True,
    )
    out.print(show.time_lines(outcomes, scene, min(out.width, 110)), soft_wrap=True)
    out.print()
    # Names are shown whole, in a narrow terminal too.
    Console(width=max(out.width, _WIDEST), highlight=False).print(show.table(outcomes))


def _plain(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    return [
        asdict(each) | {f"{state.value}_seconds": each.seconds(state) for state in CircuitState}
        for each in outcomes
    ]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"cannot write {path}: {error.strerror}; choose another --svg") from error
