"""The formulas: from services, instances, requests and retention to what each component needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stack.errors import ConfigurationError

# Samples stay in the head until a block of two hours is cut, which happens after three.
HEAD_SECONDS = 3 * 3600.0
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be observed.

    Args:
        services: how many kinds of services.
        instances: of each service.
        rps: requests a second from outside, of all together.
        retention: seconds that samples are kept.
        trace_retention: seconds that spans are kept.
        interval: seconds between two scrapes, and between two evaluations of the rules.
        sampled: share of traces that are kept.
    """

    services: int
    instances: int
    rps: float
    retention: float = 30 * 86400.0
    trace_retention: float = 72 * 3600.0
    interval: float = 5.0
    sampled: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigurationError: the option, its value and what it must be.
        """
        for name in ("services", "instances"):
            if not 1 <= getattr(self, name) <= _LARGEST:
                raise _wrong(name, getattr(self, name), "a whole number of at least 1")
        if not 0 <= self.rps <= _LARGEST:
            raise _wrong("rps", self.rps, "a number of requests a second, 0 or more")
        for name in ("retention", "trace_retention"):
            if not 3600 <= getattr(self, name) <= _LARGEST:
                raise _wrong(name, getattr(self, name), "a duration of at least 1h, such as 30d")
        if not 1 <= self.interval <= 3600:
            raise _wrong("interval", self.interval, "a duration from 1s to 1h")
        if not 0 <= self.sampled <= 1:
            raise _wrong("sampled", self.sampled, "a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class Size:
    """What a load needs; bytes, processors and numbers a second."""

    series: float
    samples_per_second: float
    prometheus_memory: float
    prometheus_disk: float
    prometheus_cpu: float
    scrape_bytes_per_second: float
    spans_per_second: float
    jaeger_memory: float
    jaeger_disk: float
    jaeger_cpu: float
    span_bytes_per_second: float


def size(load: Load, of: Mapping[str, float]) -> Size:
    """Return what a load needs.

    Args:
        load: what is observed.
        of: the values of the constants by name.
    """
    instances = load.services * load.instances
    series = instances * of["series_per_instance"] + of["base_series"] + of["component_series"]
    scrape = instances * of["scrape_per_instance"] + of["base_scrape"] + of["component_scrape"]
    samples = series / load.interval
    spans = load.rps * of["spans_per_request"] * load.sampled
    return Size(
        series=series,
        samples_per_second=samples,
        prometheus_memory=of["base_memory"] + series * of["memory_per_series"],
        prometheus_disk=samples
        * (load.retention * of["disk_per_sample"] + HEAD_SECONDS * of["wal_per_sample"]),
        prometheus_cpu=of["base_cpu"] + samples * of["cpu_per_1000_samples"] / 1000,
        scrape_bytes_per_second=scrape / load.interval,
        spans_per_second=spans,
        # It fills its tables in memory, however slowly, up to the limit that the stack gives it.
        jaeger_memory=of["jaeger_memory"],
        jaeger_disk=spans * load.trace_retention * of["disk_per_span"],
        jaeger_cpu=spans * of["cpu_per_1000_spans"] / 1000,
        span_bytes_per_second=spans * of["wire_per_span"],
    )


def _wrong(name: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"--{name.replace('_', '-')}", value, allowed)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a component needs the next step.

    Args:
        component: which.
        needs: how much of `unit` the load asks for.
        limit: how much of it one can do; None where the load is never the reason.
        unit: what is counted.
        then: the step.
    """

    component: str
    needs: float
    limit: float | None
    unit: str
    then: str

    @property
    def due(self) -> bool:
        """Whether the load is past the limit."""
        return self.limit is not None and self.needs > self.limit


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine may give to one component.

    Args:
        memory: bytes.
        processors: how many.
        disk: bytes.
        replica_rps: requests a second that one gateway answers.
    """

    memory: float = 4e9
    processors: float = 2.0
    disk: float = 200e9
    replica_rps: float = 14.4

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigurationError: the option, its value and what it must be.
        """
        for name in ("memory", "processors", "disk", "replica_rps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise _wrong(name, value, "a number above 0")


def steps(load: Load, of: Mapping[str, float], machine: Machine) -> list[Step]:
    """Return for each component how far one goes on a machine, and what comes after.

    Half of the memory is left for queries and compaction, half of the processors for peaks.
    """
    needs = size(load, of)
    per_series_cpu = of["cpu_per_1000_samples"] / 1000 / load.interval
    per_series_disk = (needs.prometheus_disk / needs.series) if needs.series else 0.0
    series = min(
        (machine.memory / 2 - of["base_memory"]) / of["memory_per_series"],
        (machine.processors / 2 - of["base_cpu"]) / per_series_cpu,
        machine.disk / per_series_disk,
    )
    spans = min(
        machine.processors / 2 / of["cpu_per_1000_spans"] * 1000,
        machine.disk / load.trace_retention / of["disk_per_span"],
    )
    instances = float(load.services * load.instances)
    return [
        Step(
            "prometheus",
            needs.series,
            max(series, 0.0),
            "series",
            "two shards, each scrapes half of the targets, with Thanos Query over them",
        ),
        Step(
            "jaeger",
            needs.spans_per_second,
            spans,
            "spans/s",
            "sample, then two or more collectors over Cassandra",
        ),
        Step(
            "alertmanager",
            instances,
            None,
            "instances",
            "two in one cluster, once no alert may be lost with one of them",
        ),
        Step(
            "gateway",
            load.rps,
            machine.replica_rps,
            "requests/s",
            "more replicas behind a load balancer",
        ),
    ]
