"""What listens where beside the stack's own ports, when it runs several times."""

from __future__ import annotations

from collections.abc import Mapping

# What runs several times behind the balancer, and how often in local mode.
REPLICAS: Mapping[str, int] = {"gateway": 2, "retrieval": 2, "llm": 2}
PAIR = ("a", "b")

SCALED: Mapping[str, int] = {
    "PROMETHEUS_B_PORT": 9190,
    "ALERTMANAGER_B_PORT": 9193,
    "ALERTMANAGER_CLUSTER_PORT": 9094,
    "ALERTMANAGER_B_CLUSTER_PORT": 9194,
    "QUERY_FRONTEND_PORT": 10900,
    "QUERY_PORT": 10902,
    "QUERY_GRPC_PORT": 10901,
    "SIDECAR_A_PORT": 10912,
    "SIDECAR_A_GRPC_PORT": 10911,
    "SIDECAR_B_PORT": 10922,
    "SIDECAR_B_GRPC_PORT": 10921,
    "STORE_PORT": 10932,
    "STORE_GRPC_PORT": 10931,
    "RULE_PORT": 10942,
    "RULE_GRPC_PORT": 10941,
    "COMPACT_PORT": 10952,
    "BALANCER_METRICS_PORT": 9180,
    "CASSANDRA_PORT": 9042,
    "CASSANDRA_STORAGE_PORT": 7000,
    "CASSANDRA_METRICS_PORT": 9404,
    **{
        f"COLLECTOR_{each.upper()}_{name}_PORT": base + 100 * number
        for number, each in enumerate(PAIR)
        for name, base in {
            "OTLP_HTTP": 14318,
            "OTLP_GRPC": 14317,
            "METRICS": 18888,
            "SPAN_METRICS": 18889,
            "HEALTH": 14133,
            "HALF": 14319,
        }.items()
    },
    **{
        f"{service.upper()}_{number}_PORT": base + number
        for (service, count), base in zip(REPLICAS.items(), (18_100, 18_110, 18_120), strict=True)
        for number in range(1, count + 1)
    },
}


# What containers publish of these; the others have their ports to themselves.
PUBLISHED = {"PROMETHEUS_B_PORT", "ALERTMANAGER_B_PORT", "QUERY_PORT", "QUERY_FRONTEND_PORT"}
# Nothing has these in local mode: each collector has its own, and spans come by the balancer.
UNUSED = {"OTLP_GRPC_PORT", "SPAN_METRICS_PORT"}


def replicas(service: str) -> list[tuple[str, str]]:
    """Return name and port variable of each process of a service that runs several times."""
    return [
        (f"{service}-{number}", f"{service.upper()}_{number}_PORT")
        for number in range(1, REPLICAS[service] + 1)
    ]
