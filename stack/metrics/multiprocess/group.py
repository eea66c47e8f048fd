"""The process metrics of a gunicorn as a whole, under the names that one process has.

Meaning of the fields: proc_pid_stat(5) and https://prometheus.io/docs/instrumenting/writing_clientlibs/
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from stack.metrics.multiprocess.processes import PROC, pid_of, stat

_TICKS = os.sysconf("SC_CLK_TCK")


def metrics(owner: str, living: frozenset[str]) -> Iterator[Metric]:
    """Add up the living processes; CPU time includes that of workers which have ended.

    Args:
        owner: name of the process that forks and reaps the others.
        living: names of all processes, the owner's included.
    """
    pids = {pid for pid in map(pid_of, living | {owner}) if pid is not None}
    stats = {pid: found for pid in pids if (found := stat(pid)) is not None}
    if not stats:
        return
    cpu = sum(each.user + each.system for each in stats.values())
    parent = stats.get(pid_of(owner) or 0)
    if parent is not None:
        cpu += parent.children_user + parent.children_system
    yield CounterMetricFamily(
        "process_cpu_seconds", "User and system CPU time of all workers.", cpu / _TICKS
    )
    yield GaugeMetricFamily(
        "process_resident_memory_bytes",
        "Resident memory of all workers; pages they share count for each.",
        sum(each.resident_pages for each in stats.values()) * resource.getpagesize(),
    )
    yield GaugeMetricFamily(
        "process_virtual_memory_bytes",
        "Virtual memory of all workers.",
        sum(each.virtual_bytes for each in stats.values()),
    )
    if parent is not None:
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "Unix time at which the service started.",
            _boot_time() + parent.start / _TICKS,
        )
    yield GaugeMetricFamily(
        "process_open_fds",
        "Open file descriptors of all workers.",
        sum(_open_files(pid) for pid in stats),
    )
    yield GaugeMetricFamily(
        "process_max_fds",
        "File descriptors that one worker may open.",
        resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _boot_time() -> float:
    for line in (PROC / "stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _open_files(pid: int) -> int:
    try:
        return len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208 -- names, not paths
    except OSError:
        return 0
