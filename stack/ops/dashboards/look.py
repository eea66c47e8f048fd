"""What things look like: the same colour means the same on every dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from stack.ops import colours

GREEN, ORANGE, RED, GREY = colours.GREEN, colours.ORANGE, colours.RED, colours.GREY
BLUE, PURPLE, TEAL, PINK = colours.BLUE, colours.PURPLE, colours.TEAL, colours.PINK

GOOD, WARNING, BAD, NEUTRAL = GREEN, ORANGE, RED, BLUE
SEVERITIES = {"page": BAD, "ticket": WARNING, "info": NEUTRAL}
# By the name of a series, as its legend has it.
SERIES: Mapping[str, str] = {
    **colours.SERVICES,
    "p50": TEAL,
    "p95": BLUE,
    "p99": PURPLE,
    "success": GOOD,
    "answered": GOOD,
    "model": GOOD,
    "none": GOOD,
    "exported": GOOD,
    "2xx": GOOD,
    "degraded": WARNING,
    "passages": WARNING,
    "rejected": WARNING,
    "retried": WARNING,
    "dropped": WARNING,
    "4xx": WARNING,
    "warning": WARNING,
    "ticket": WARNING,
    "failure": BAD,
    "unavailable": BAD,
    "failed": BAD,
    "exhausted": BAD,
    "5xx": BAD,
    "error": BAD,
    "critical": BAD,
    "page": BAD,
    "firing": BAD,
    "info": NEUTRAL,
    "nothing_found": NEUTRAL,
    "3xx": NEUTRAL,
    "resolved": GOOD,
    "debug": GREY,
    "input": BLUE,
    "output": PURPLE,
}

# Which of them a label has as its values, where a legend shows the label.
_SERVICES = tuple(colours.SERVICES)
_OUTCOMES = ("success", "failure", "rejected", "answered", "degraded", "retried", "exhausted")
_ANSWERS = ("model", "passages", "nothing_found", "unavailable")
VALUES: Mapping[str, tuple[str, ...]] = {
    "service": _SERVICES,
    "peer_service": _SERVICES,
    "class": ("2xx", "3xx", "4xx", "5xx"),
    "level": ("debug", "info", "warning", "error", "critical"),
    "outcome": (*_OUTCOMES, *_ANSWERS, "exported", "dropped", "failed"),
    "error_type": ("none",),
    "status": ("firing", "resolved"),
    "gen_ai_token_type": ("input", "output"),
}

UP = {"0": ("down", BAD), "1": ("up", GOOD)}
DONE = {"0": ("failed", BAD), "1": ("ok", GOOD)}
HALTED = {"0": ("works", GOOD), "1": ("halted", BAD)}
BREAKER = {"0": ("closed", GOOD), "1": ("half-open", WARNING), "2": ("open", BAD)}
OPEN = {"0": ("closed", GOOD), "1": ("open", BAD)}
FIRING = {"1": ("firing", BAD)}
NOTHING = {"0": ("none", GOOD)}

RATIO, SECONDS, BYTES, COUNT, NUMBER = "percentunit", "s", "bytes", "short", "none"
PER_SECOND, REQUESTS = "cps", "reqps"
DECIMALS = {RATIO: 1, SECONDS: 2, BYTES: 0, COUNT: 0, NUMBER: 1, PER_SECOND: 2, REQUESTS: 2}


def steps(*limits: tuple[float, str], base: str = GOOD) -> builders.ThresholdsConfig:
    """Return thresholds: from each value on its colour, below all the base."""
    found = [models.Threshold(value=None, color=base)]
    found += [models.Threshold(value=value, color=color) for value, color in limits]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def mapping(names: Mapping[str, tuple[str, str]]) -> list[models.ValueMapping]:
    """Return what shows values as words, each in its colour."""
    if not names:
        return []
    return [
        models.ValueMap(
            options={
                value: models.ValueMappingResult(text=text, color=color, index=index)
                for index, (value, (text, color)) in enumerate(names.items())
            }
        )
    ]


def unknown() -> models.ValueMapping:
    """Return what leaves a tile without a value grey, whatever its threshold says of low ones."""
    return models.SpecialValueMap(
        options=models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL, result=models.ValueMappingResult(color=GREY)
        )
    )


def colored(legends: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of series that legends can show, and the colour of each that has one."""
    for legend in legends:
        label = legend.removeprefix("{{").removesuffix("}}")
        for name in VALUES[label] if label in VALUES and label != legend else (legend,):
            if name in SERIES:
                yield name, SERIES[name]


def fixed(color: str) -> models.DynamicConfigValue:
    """Return the property that gives a series its colour."""
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
