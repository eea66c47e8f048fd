"""The settings that are compared: every combination of the options given."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, cast

from stack.breaker import BreakerConfig
from stack.breaker.config import BreakerOptions
from stack.errors import OpsError

_MOST = 12
# What is no number cannot be chosen here.
_NOT_HERE = {"record", "ignore", "failure_result"}
# The library's own names and order.
NAMES = tuple(each.name for each in fields(BreakerConfig) if each.name not in _NOT_HERE)
_DOCUMENTED = inspect.getdoc(BreakerConfig) or ""
WHOLE = {
    "failure_threshold",
    "window_size",
    "minimum_calls",
    "success_threshold",
    "half_open_max_calls",
}


# As `BreakerConfig` itself describes them.
DESCRIPTIONS = {
    name: " ".join(found[1].split()).capitalize()
    for name in NAMES
    if (found := re.search(rf"^    {name}: (.*?)[.;:]?$(?!\n     )", _DOCUMENTED, re.M | re.S))
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination.

    Args:
        name: what tells it from the others.
        options: the breaker's.
    """

    name: str
    options: BreakerOptions


def settings(given: Mapping[str, Sequence[float]]) -> list[Setting]:
    """Return every combination of what was given for each option.

    Raises:
        OpsError: more than can be looked at.
        ConfigurationError: an option is out of bounds, or does nothing without another.
    """
    chosen = {name: values for name, values in given.items() if values}
    varied = [name for name, values in chosen.items() if len(values) > 1]
    found = []
    for combination in product(*chosen.values()):
        options = dict(zip(chosen, combination, strict=True))
        named = [f"{name}={options[name]:g}" for name in varied or options]
        BreakerConfig(**cast("dict[str, Any]", options))
        found.append(Setting(", ".join(named) or "defaults", cast("BreakerOptions", options)))
    if len(found) > _MOST:
        raise OpsError(
            f"{len(found)} settings are more than can be compared; give values for at most {_MOST}"
        )
    return found
