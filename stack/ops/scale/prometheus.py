"""Prometheus' own configuration as a pair's, behind Thanos: what is changed in it, and why."""

from __future__ import annotations

import copy
from typing import Any, Literal

from stack.ops.added import variable_of
from stack.ops.ports import DEFAULTS
from stack.ops.scale.ports import PAIR, REPLICAS
from stack.ops.scale.shards import letters, prometheus_name

Config = dict[str, Any]
# Of a replica, from its environment; both read the same file.
REPLICA_LABEL, REPLICA_VARIABLE = "replica", "PROMETHEUS_REPLICA"
# All rule files but `slo-*`, as far as Go's patterns can say that: those are Thanos Ruler's, for an
# objective is of all that any Prometheus has seen.
_NOT_GLOBAL = ("s", "sl", "slo", "[^s]*", "s[^l]*", "sl[^o]*", r"slo[^\-]*")
THANOS = ("query-frontend", "query", "sidecar-a", "sidecar-b", "store", "rule", "compact")
_THANOS_PORT, _BALANCER_PORT, _CASSANDRA_PORT = 10902, 9180, 9404
_ALERTMANAGERS = ["alertmanager:9093", "alertmanager-b:9093"]
_JAEGER = ["jaeger:8888", "collector-a:8888", "collector-b:8888"]
_SPAN_METRICS = ["collector-a:8889", "collector-b:8889"]


def thanos_of(shards: int = 1) -> tuple[str, ...]:
    """Return the names of Thanos' parts that a stack of so many shards has."""
    return (*THANOS, *(f"sidecar-{letter}" for letter in letters(shards) if letter not in PAIR))


def scaled(config: Config, discovery: Literal["dns", "files"], shards: int = 1) -> Config:
    """Return the configuration of each of several Prometheus.

    Args:
        config: that of the one, as read from `prometheus.yml`.
        discovery: how what runs several times is found: each container by the name of all, or in
            the file of the targets, which has to list them.
        shards: in how many the targets are; for more than 1, `sharded` makes that of each of this.
    """
    found = copy.deepcopy(config)
    found["global"]["external_labels"][REPLICA_LABEL] = f"${{{REPLICA_VARIABLE}}}"
    found["rule_files"] = [f"rules/{pattern}.rules.yml" for pattern in _NOT_GLOBAL]
    alerting = found["alerting"]
    alerting["alertmanagers"] = [{"static_configs": [{"targets": list(_ALERTMANAGERS)}]}]
    # Both say the same, and so it is one alert.
    alerting["alert_relabel_configs"] = [{"regex": REPLICA_LABEL, "action": "labeldrop"}]
    several = {
        "prometheus": [f"{prometheus_name(letter)}:9090" for letter in letters(shards)],
        "alertmanager": _ALERTMANAGERS,
    }
    for job in found["scrape_configs"]:
        if job["job_name"] in several:
            job["static_configs"][0]["targets"] = several[job["job_name"]]
        if job["job_name"] == "services" and discovery == "dns":
            _by_name(job)
        if job["job_name"] == "jaeger":
            job["static_configs"][0]["targets"] = list(_JAEGER)
        if job["job_name"] == "spanmetrics":
            del job["file_sd_configs"]
            job["static_configs"] = [
                {"targets": list(_SPAN_METRICS), "labels": {"service": "jaeger"}}
            ]
    found["scrape_configs"] += [
        _job("thanos", [f"{name}:{_THANOS_PORT}" for name in thanos_of(shards)]),
        _job("balancer", [f"balancer:{_BALANCER_PORT}"]),
    ]
    if discovery == "files":
        # The official image has nothing that Prometheus could ask.
        found["scrape_configs"].append(_job("cassandra", [f"cassandra:{_CASSANDRA_PORT}"]))
    return found


def _by_name(job: Config) -> None:
    """Let each container be a target; in the file of the targets their name is one."""
    job["dns_sd_configs"] = [
        {
            "names": [name],
            "type": "A",
            "port": DEFAULTS[variable_of(name)],
            "refresh_interval": "5s",
        }
        for name in REPLICAS
    ]
    names = "|".join(REPLICAS)
    job["relabel_configs"] = [
        {"source_labels": ["__address__"], "regex": rf"({names}):\d+", "action": "drop"},
        {
            "source_labels": ["__meta_dns_name"],
            "regex": "(.+)",
            "target_label": "service",
        },
    ]


def _job(name: str, targets: list[str]) -> Config:
    return {
        "job_name": name,
        "static_configs": [{"targets": targets, "labels": {"service": name}}],
    }
