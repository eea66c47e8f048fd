"""What must follow a fault, in sentences that can turn out false.

An oracle of detection says that the fault is seen, one of containment how little of it callers may
feel, one of recovery that nothing of it is left.
"""

from stack.ops.chaos.oracles.containment import (
    callers_breaker_closed,
    falls_back,
    no_errors,
    opens_not_before,
    opens_once,
    quantile,
    quick,
    spared,
    stays_closed,
)
from stack.ops.chaos.oracles.detection import (
    counted,
    counted_by_prometheus,
    delivered,
    opens,
    probe_fails,
    scraped,
)
from stack.ops.chaos.oracles.oracle import CONTAINMENT, DETECTION, RECOVERY, Oracle
from stack.ops.chaos.oracles.recovery import (
    adds_up,
    closes,
    every_transition,
    pages_nobody,
    resolved,
    whole,
)

__all__ = [
    "CONTAINMENT",
    "DETECTION",
    "RECOVERY",
    "Oracle",
    "adds_up",
    "callers_breaker_closed",
    "closes",
    "counted",
    "counted_by_prometheus",
    "delivered",
    "every_transition",
    "falls_back",
    "no_errors",
    "opens",
    "opens_not_before",
    "opens_once",
    "pages_nobody",
    "probe_fails",
    "quantile",
    "quick",
    "resolved",
    "scraped",
    "spared",
    "stays_closed",
    "whole",
]
