"""What an SLO means in numbers: its budget, when its alerts fire, how soon they end."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from stack.ops.durations import seconds
from stack.ops.slo.rules import RAW, percent
from stack.ops.slo.spec import Slo

WINDOWS = (*RAW, "1d", "3d", "30d")
ERRORS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


def numbers(slo: Slo, service: str) -> dict[str, Any]:
    """Return what `stack slo explain --json` prints.

    `budget_minutes` is how long all events may be bad in each window. `seconds_to_detect` holds
    the time by error ratio, for even traffic; None where the alert does not fire.
    `seconds_to_reset` is counted from the end of an outage in which all were bad.
    """
    return {
        **slo.model_dump(include={"name", "description", "objective", "window", "min_rate"}),
        "service": service,
        "budget": slo.budget,
        "budget_minutes": {
            window: round(slo.budget * seconds(window) / 60, 6) for window in WINDOWS
        },
        "alerts": [
            {
                "alert": policy.alert,
                "severity": severity,
                "short": policy.short,
                "long": policy.long,
                "burn_rate": policy.burn_rate,
                "error_ratio_above": policy.threshold(slo.budget),
                "budget_consumed": policy.share,
                "seconds_to_detect": {
                    f"{errors:g}": policy.time_to_detect(slo.budget, errors) for errors in ERRORS
                },
                "seconds_to_reset": policy.time_to_reset(slo.budget),
            }
            for policy, severity in slo.policies
        ],
    }


def show(found: dict[str, Any]) -> RenderableType:
    """Show these numbers to a person."""
    alerts = found["alerts"]
    fires = table("alert", "severity", "windows", "burn rate", "above", "budget", "reset")
    for each in alerts:
        fires.add_row(
            each["alert"],
            each["severity"],
            f"{each['short']}, {each['long']}",
            f"{each['burn_rate']:g} ×",
            percent(each["error_ratio_above"]),
            percent(each["budget_consumed"]),
            _short(each["seconds_to_reset"]),
        )
    budget = table("", *found["budget_minutes"])
    budget.add_row(
        "may be all bad for", *(_short(60 * m) for m in found["budget_minutes"].values())
    )
    detect = table("fires after", *map(percent, ERRORS))
    for each in alerts:
        detect.add_row(each["alert"], *map(_short, each["seconds_to_detect"].values()))
    objective = f"{percent(found['objective'])} {found['description']}, over {found['window']}"
    return Group(
        f"[bold]{found['name']}[/] of {found['service']}: {escape(objective)}",
        f"Nothing fires below {found['min_rate']:g} events/s on the mean of the long window.\n",
        *(part for grid in (budget, fires, detect) for part in (grid, "")),
    )


def table(*titles: str) -> Table:
    """Return an empty table; only its last column may be cut."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        grid.add_column(title, no_wrap=title != titles[-1])
    return grid


def _short(duration: float | None) -> str:
    """Return a duration with its two largest units; a dash for none."""
    if duration is None:
        return "–"
    if duration < 10:
        return f"{duration:.2g}s"
    left, parts = round(duration), []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts[:2])
