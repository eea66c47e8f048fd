"""What runs in local mode at scale, in place of `stack.ops.components.components`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stack.ops.added import variable_of
from stack.ops.binaries import Binaries
from stack.ops.components import Component, Plan, added_services, console, load_generator
from stack.ops.scale import traces
from stack.ops.scale.metrics import alertmanager_pair, prometheus_pairs, thanos
from stack.ops.scale.ports import PAIR, REPLICAS, replicas
from stack.ops.scale.programs import Programs
from stack.ops.scale.prometheus import scaled, thanos_of
from stack.ops.scale.services import balancer, replicated
from stack.ops.scale.shards import letters, prometheus_name


def scaled_components(plan: Plan, binaries: Binaries, programs: Programs) -> list[Component]:
    """List what runs, in the order in which it starts."""
    return [
        *traces.components(plan, programs.cassandra),
        *replicated(plan),
        balancer(plan, programs.caddy),
        *added_services(plan),
        *alertmanager_pair(plan, binaries),
        *prometheus_pairs(plan, binaries),
        *thanos(plan, programs.thanos),
        console(plan),
        *load_generator(plan),
    ]


def scaled_addresses(plan: Plan) -> dict[str, str]:
    """Map host names and ports of the scaled configuration to where they are in local mode."""
    collectors = {
        f"collector-{each}:{port}": plan.bind(f"COLLECTOR_{each.upper()}_{variable}_PORT")
        for each in PAIR
        for port, variable in ((8888, "METRICS"), (8889, "SPAN_METRICS"))
    }
    prometheus = map(prometheus_name, letters(plan.shards))
    return collectors | {
        **{f"{name}:9090": plan.bind(variable_of(name)) for name in prometheus},
        "alertmanager-b:9093": plan.bind("ALERTMANAGER_B_PORT"),
        "balancer:9180": plan.bind("BALANCER_METRICS_PORT"),
        "cassandra:9404": plan.bind("CASSANDRA_METRICS_PORT"),
        **{f"{name}:10902": plan.bind(variable_of(name)) for name in thanos_of(plan.shards)},
    }


def changes(plan: Plan) -> Mapping[str, Callable[[Any], Any]]:
    """Return what is made of files before their addresses are this machine's, by their paths."""

    def each_replica(groups: Any) -> Any:
        return [
            {
                **group,
                "targets": [
                    address for target in group["targets"] for address in _addresses(plan, target)
                ],
            }
            for group in groups
        ]

    return {
        "prometheus/prometheus.yml": lambda config: scaled(config, "files", plan.shards),
        "prometheus/targets/services.yaml": each_replica,
    }


def _addresses(plan: Plan, target: str) -> list[str]:
    service = target.partition(":")[0]
    if service not in REPLICAS:
        return [target]
    return [plan.bind(port) for _, port in replicas(service)]
