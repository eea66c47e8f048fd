"""The numbers of several processes as one set of metric families."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from stack.metrics.multiprocess.folder import Process, Reading, newer
from stack.metrics.multiprocess.processes import pid_of
from stack.metrics.multiprocess.series import Series

Labels = tuple[tuple[str, str], ...]

_CHOICES: dict[str, Callable[[Sequence[Reading]], float]] = {
    "min": lambda readings: min(each.value for each in readings),
    "max": lambda readings: max(each.value for each in readings),
    "sum": lambda readings: sum(each.value for each in readings),
    "mostrecent": lambda readings: max(readings, key=lambda each: each.set_at).value,
}


def merge(processes: Iterable[Process], living: frozenset[str], owner: str) -> list[Metric]:
    """Merge all processes' numbers.

    Counters, histograms and summaries are added. Gauges are merged by their `multiprocess_mode`
    over the processes that live and have set them; the owner's, which forks the workers and serves
    nothing, count only where no worker has set that gauge.

    Args:
        processes: what was read.
        living: names of the processes that live.
        owner: name of the process that forks the others.
    """
    families: dict[str, dict[Series, list[tuple[str, Reading]]]] = defaultdict(dict)
    for process in processes:
        for series, reading in process.readings.items():
            families[series.metric].setdefault(series, []).append((process.name, reading))
    metrics = []
    for name, members in families.items():
        first = next(iter(members))
        metric = Metric(name, first.help, first.type)
        # A name registered with two types in two processes is shown as the first one read.
        same = {series: found for series, found in members.items() if series.type == first.type}
        if first.type == "gauge":
            _add_gauges(metric, same, living, owner)
        elif first.type == "histogram":
            _add_histograms(metric, same)
        else:
            _add_sums(metric, same)
        if metric.samples:
            metrics.append(metric)
    return metrics


def _add_sums(metric: Metric, members: dict[Series, list[tuple[str, Reading]]]) -> None:
    for series, found in members.items():
        value, exemplar = _sum(found)
        metric.add_sample(series.sample, dict(series.labels), value, exemplar=exemplar)


def _add_gauges(
    metric: Metric,
    members: dict[Series, list[tuple[str, Reading]]],
    living: frozenset[str],
    owner: str,
) -> None:
    for series, found in members.items():
        held = [(name, each) for name, each in found if name in living and each.set_at]
        held = [(name, each) for name, each in held if name != owner] or held
        labels = dict(series.labels)
        choose = _CHOICES.get(series.mode.removeprefix("live"))
        if choose is None:
            for name, each in held:
                metric.add_sample(series.sample, {**labels, "pid": str(pid_of(name))}, each.value)
        elif held:
            metric.add_sample(series.sample, labels, choose([each for _, each in held]))


def _add_histograms(metric: Metric, members: dict[Series, list[tuple[str, Reading]]]) -> None:
    """Add each labelled histogram: its buckets, which are stored apart, made cumulative."""
    buckets: dict[Labels, dict[float, tuple[float, Exemplar | None]]] = defaultdict(dict)
    sums: dict[Labels, float] = {}
    for series, found in members.items():
        value, exemplar = _sum(found)
        bound = series.bound
        if bound is None:
            sums[series.labels] = value
        else:
            buckets[series.labels[:-1]][bound] = (value, exemplar)
    for labels, by_bound in buckets.items():
        ordered = sorted(by_bound.items())
        counts = list(accumulate(value for _, (value, _) in ordered))
        for (bound, (_, exemplar)), count in zip(ordered, counts, strict=True):
            with_bound = {**dict(labels), "le": floatToGoString(bound)}
            metric.add_sample(f"{metric.name}_bucket", with_bound, count, exemplar=exemplar)
        metric.add_sample(f"{metric.name}_count", dict(labels), counts[-1])
        metric.add_sample(f"{metric.name}_sum", dict(labels), sums.get(labels, 0.0))


def _sum(found: Iterable[tuple[str, Reading]]) -> tuple[float, Exemplar | None]:
    value, exemplar = 0.0, None
    for _, reading in found:
        value += reading.value
        exemplar = newer(exemplar, reading.exemplar)
    return value, exemplar
