"""Series of fixed labels, recorded without prometheus_client's checks of every single value.

What is recorded here is checked before or right by construction; the same numbers come out. Their
one writer holds a lock of its own, so that prometheus_client's, one for each number, can be left
alone; numbers that are shared between processes take that of their store.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Exemplar
from prometheus_client.values import MutexValue

Add = Callable[[float], None]
Set = Callable[[float], None]


class BoundHistogram:
    """Observes amounts; the caller keeps other threads out.

    Args:
        histogram: one with its labels given, and written by nobody else.
    """

    __slots__ = ("_add_to", "_add_to_sum", "_alone", "_bounds", "_buckets")

    def __init__(self, histogram: Histogram) -> None:
        self._bounds = histogram._upper_bounds
        self._buckets = histogram._buckets
        self._alone = type(histogram._sum) is MutexValue
        self._add_to = [_adder(bucket) for bucket in histogram._buckets]
        self._add_to_sum = _adder(histogram._sum)

    def observe(self, amount: float, labels: dict[str, str] | None) -> None:
        """Count an amount.

        Args:
            amount: in the histogram's unit; no NaN.
            labels: those of an exemplar, None for none; names and values have at most 128
                characters together, as OpenMetrics asks.
        """
        self._add_to_sum(amount)
        at = bisect_left(self._bounds, amount)
        self._add_to[at](1.0)
        if labels is not None:
            exemplar = Exemplar(labels, amount, time.time())
            if self._alone:
                self._buckets[at]._exemplar = exemplar
            else:
                self._buckets[at].set_exemplar(exemplar)


def bound_number(number: Counter | Gauge) -> Add:
    """Return what adds to a counter or gauge; the caller keeps other threads out.

    Args:
        number: one with its labels given, and written by nobody else.
    """
    return _adder(number._value)


def bound_setter(gauge: Gauge) -> Set:
    """Return what sets a gauge; the caller keeps other threads out.

    Args:
        gauge: one with its labels given, and written by nobody else.
    """
    value = gauge._value
    if type(value) is not MutexValue:
        return gauge.set

    def set_alone(amount: float) -> None:
        value._value = amount

    return set_alone


def _adder(value: Any) -> Add:
    if type(value) is not MutexValue:
        add: Add = value.inc
        return add

    def add_alone(amount: float) -> None:
        value._value += amount

    return add_alone
