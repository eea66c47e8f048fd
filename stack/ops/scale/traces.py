"""The traces' part of the scaled stack: two collectors and a query over one Cassandra."""

from __future__ import annotations

import sys
from pathlib import Path

from stack.ops.cassandra import cassandra
from stack.ops.components import Component, Plan
from stack.ops.ports import LOCALHOST
from stack.ops.scale.ports import PAIR


def components(plan: Plan, jars: Path) -> list[Component]:
    """List what runs, in the order in which it starts.

    Args:
        plan: the ports, folders, Jaeger's program, and which traces are kept.
        jars: the folder of Cassandra's jars.
    """
    return [cassandra(plan, jars), *(collector(plan, name) for name in PAIR), query(plan)]


def collector(plan: Plan, name: str) -> Component:
    """Return the collector `a` or `b`."""
    files = ("collector.yaml", f"sampling-{plan.sampling}.yaml")
    prefix = f"COLLECTOR_{name.upper()}"
    environment = _common(plan) | {
        "OTLP_HTTP_PORT": str(plan.ports[f"{prefix}_OTLP_HTTP_PORT"]),
        "OTLP_GRPC_PORT": str(plan.ports[f"{prefix}_OTLP_GRPC_PORT"]),
        "JAEGER_METRICS_PORT": str(plan.ports[f"{prefix}_METRICS_PORT"]),
        "SPAN_METRICS_PORT": str(plan.ports[f"{prefix}_SPAN_METRICS_PORT"]),
        "JAEGER_HEALTH_PORT": str(plan.ports[f"{prefix}_HEALTH_PORT"]),
        # Where halves of traces meet, if they have to.
        "JAEGER_HALF_PORT": str(plan.ports[f"{prefix}_HALF_PORT"]),
        "JAEGER_HALF_A_URL": plan.url("COLLECTOR_A_HALF_PORT"),
        "JAEGER_HALF_B_URL": plan.url("COLLECTOR_B_HALF_PORT"),
    }
    if plan.speed != 1:
        environment["SPANMETRICS_FLUSH_INTERVAL"] = f"{plan.span_metrics_interval:g}s"
    return Component(
        f"jaeger-collector-{name}",
        (
            *_after(plan, "CASSANDRA_PORT"),
            *(f"--config=file:{plan.root / 'jaeger' / file}" for file in files),
        ),
        plan.url(f"{prefix}_HEALTH_PORT", "/status"),
        "",
        "traces' way in",
        environment,
    )


def query(plan: Plan) -> Component:
    """Return what shows the traces."""
    file = plan.root / "jaeger" / "query.yaml"
    return Component(
        "jaeger-query",
        # A collector takes spans when it has made the tables.
        (*_after(plan, "COLLECTOR_A_OTLP_HTTP_PORT"), f"--config=file:{file}"),
        plan.url("JAEGER_HEALTH_PORT", "/status"),
        plan.url("JAEGER_QUERY_PORT"),
        "traces (Jaeger over Cassandra)",
        _common(plan)
        | {
            "JAEGER_QUERY_PORT": str(plan.ports["JAEGER_QUERY_PORT"]),
            "JAEGER_METRICS_PORT": str(plan.ports["JAEGER_METRICS_PORT"]),
            "JAEGER_HEALTH_PORT": str(plan.ports["JAEGER_HEALTH_PORT"]),
            # Nobody asks it; any free port will do.
            "JAEGER_QUERY_GRPC_PORT": "0",
            "JAEGER_UI_CONFIG": str(plan.root / "jaeger" / "ui.json"),
            "PROMETHEUS_URL": plan.metrics_url,
        },
    )


def _after(plan: Plan, port: str) -> tuple[str, ...]:
    """Jaeger, which ends at once where what it needs is not there yet."""
    return (sys.executable, "-m", "stack.ops.scale.after", plan.bind(port), plan.jaeger)


def _common(plan: Plan) -> dict[str, str]:
    return {
        "JAEGER_LISTEN_HOST": LOCALHOST,
        "CASSANDRA_HOST": LOCALHOST,
        "CASSANDRA_PORT": str(plan.ports["CASSANDRA_PORT"]),
        # Garbage is collected well before the memory limiter refuses spans.
        "GOMEMLIMIT": "300MiB",
    }
