"""Series of fixed labels, recorded without prometheus_client's checks of every single value.

What is recorded here is checked before or right by construction; the same numbers come out.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping

from prometheus_client import Counter, Histogram
from prometheus_client.samples import Exemplar


class BoundCounter:
    """Counts by one. Thread-safe.

    Args:
        counter: one with its labels given.
    """

    __slots__ = ("_value",)

    def __init__(self, counter: Counter) -> None:
        self._value = counter._value

    def inc(self) -> None:
        """Count one."""
        self._value.inc(1.0)


class BoundHistogram:
    """Observes amounts. Thread-safe.

    Args:
        histogram: one with its labels given.
    """

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, histogram: Histogram) -> None:
        self._bounds = histogram._upper_bounds
        self._buckets = histogram._buckets
        self._sum = histogram._sum

    def observe(self, amount: float, labels: Mapping[str, str] | None) -> None:
        """Count an amount, which is no NaN; `labels` make an exemplar of it.

        The labels' names and values have at most 128 characters together, as OpenMetrics asks.
        """
        self._sum.inc(amount)
        bucket = self._buckets[bisect_left(self._bounds, amount)]
        bucket.inc(1.0)
        if labels is not None:
            bucket.set_exemplar(Exemplar(dict(labels), amount, time.time()))
