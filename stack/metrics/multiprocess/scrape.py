"""What a scrape of any worker shows: every process of its gunicorn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, Summary
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stack.metrics.multiprocess import folder, group
from stack.metrics.multiprocess.merge import merge
from stack.metrics.multiprocess.processes import alive

# What the merged families stand for, and what would speak of the answering worker alone.
_REPLACED = (Counter, Gauge, Histogram, Summary, GCCollector, ProcessCollector)


class SharedCollector(Collector):
    """Collects the merged numbers, those of the processes as a group, and other collectors'.

    Args:
        directory: the shared folder.
        registry: where further collectors are found, such as Info or a user's own; they are asked
            in the answering worker only.
    """

    def __init__(self, directory: Path, registry: CollectorRegistry) -> None:
        self._directory = directory
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Read everything anew."""
        owner = folder.owner(self._directory)
        processes = folder.read(self._directory)
        living = frozenset(each.name for each in processes if alive(each.name))
        shared = merge(processes, living, owner)
        yield from shared
        yield from group.metrics(owner, living)
        known = {metric.name for metric in shared}
        for collector in tuple(self._registry._collector_to_names):
            if not isinstance(collector, _REPLACED):
                yield from (each for each in collector.collect() if each.name not in known)
