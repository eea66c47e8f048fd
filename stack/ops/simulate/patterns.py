"""Ways in which a dependency fails, and the calls that are made to it meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is called, how often, and how it fails; times in seconds.

    Args:
        rate: calls a second, at random moments.
        error_ratio: share of failing calls while `steady` lasts, 0-1.
        background_ratio: share of failing calls when nothing is wrong, 0-1.
        call_seconds: what a call takes; each takes from half to one and a half of it.
        slow_seconds: what a call takes while `slow` lasts.
        flap_seconds: how long `flapping` fails before it is well for as long.
        before: calm time before the fault.
        fault_seconds: how long the fault lasts.
        after: calm time after it.
    """

    rate: float = 10.0
    error_ratio: float = 0.3
    background_ratio: float = 0.005
    call_seconds: float = 0.1
    slow_seconds: float = 3.0
    flap_seconds: float = 10.0
    before: float = 30.0
    fault_seconds: float = 45.0
    after: float = 165.0

    @property
    def recovery(self) -> float:
        """When the fault is over."""
        return self.before + self.fault_seconds

    @property
    def end(self) -> float:
        """When no further call begins."""
        return self.recovery + self.after


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way of failing.

    Args:
        what: what happens, for a person.
        ratio: the share of failing calls after so many seconds of the fault.
        slow: whether calls are slow meanwhile.
    """

    what: Callable[[Scene], str]
    ratio: Callable[[Scene, float], float]
    slow: bool = False

    def failing(self, scene: Scene, at: float) -> float:
        """Return the share of calls that fail at a moment."""
        elapsed = at - scene.before
        fault = self.ratio(scene, elapsed) if 0 <= elapsed < scene.fault_seconds else 0.0
        return max(fault, scene.background_ratio)

    def seconds(self, scene: Scene, at: float) -> float:
        """Return what a call takes that begins at a moment."""
        slow = self.slow and scene.before <= at < scene.recovery
        return scene.slow_seconds if slow else scene.call_seconds


# To add one, add a line here.
PATTERNS: Mapping[str, Pattern] = {
    "steady": Pattern(
        lambda scene: f"{scene.error_ratio:.0%} of the calls fail",
        lambda scene, _: scene.error_ratio,
    ),
    "outage": Pattern(lambda _: "every call fails", lambda _, __: 1.0),
    "flapping": Pattern(
        lambda scene: f"fails for {scene.flap_seconds:g} s, is well for {scene.flap_seconds:g} s",
        lambda scene, elapsed: 1.0 - int(elapsed / scene.flap_seconds) % 2,
    ),
    "slow": Pattern(
        lambda scene: f"calls take {scene.slow_seconds:g} s, and succeed", lambda _, __: 0.0, True
    ),
    "ramp": Pattern(
        lambda _: "more and more calls fail, at last all",
        lambda scene, elapsed: elapsed / scene.fault_seconds,
    ),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One that somebody wants to make.

    Args:
        at: when, in seconds.
        luck: from 0 to 1; it fails when the share of failing calls is above it.
        pace: from 0.5 to 1.5; what it takes as a multiple of what a call takes.
    """

    at: float
    luck: float
    pace: float


def calls(scene: Scene, seed: int) -> list[Call]:
    """Return the calls of a scene: the same for every pattern and setting, so that they compare."""
    draw = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
    found = []
    at = draw.expovariate(scene.rate)
    while at < scene.end:
        found.append(Call(at, draw.random(), 0.5 + draw.random()))
        at += draw.expovariate(scene.rate)
    return found
