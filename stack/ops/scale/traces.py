"""The traces' part of the scaled stack: two collectors and a query over one Cassandra."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from stack.ops.cassandra import cassandra
from stack.ops.components import Component, Plan
from stack.ops.ports import LOCALHOST
from stack.ops.scale.ports import PAIR


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which traces the collectors keep: all with an error, all above a second, a share of the rest.

    Args:
        percent: of the rest, 0 to 100.
        wait: seconds from a trace's first span to the decision.
    """

    percent: float = 10.0
    wait: float = 10.0


def components(
    plan: Plan, jars: Path, sampling: Sampling | None = None, *, wait_for_storage: bool = False
) -> list[Component]:
    """List what runs, in the order in which it starts.

    Args:
        plan: the ports, folders and Jaeger's program.
        jars: the folder of Cassandra's jars.
        sampling: what is kept; everything if nothing is said.
        wait_for_storage: acknowledge a span only when Cassandra has it.
    """
    return [
        cassandra(plan, jars),
        *(collector(plan, name, sampling, wait_for_storage=wait_for_storage) for name in PAIR),
        query(plan),
    ]


def collector(
    plan: Plan, name: str, sampling: Sampling | None = None, *, wait_for_storage: bool = False
) -> Component:
    """Return the collector `a` or `b`; the arguments are those of `components`."""
    folder = plan.root / "jaeger"
    files = [folder / "collector.yaml"]
    prefix = f"COLLECTOR_{name.upper()}"
    environment = _common(plan) | {
        "OTLP_HTTP_PORT": str(plan.ports[f"{prefix}_OTLP_HTTP_PORT"]),
        "OTLP_GRPC_PORT": str(plan.ports[f"{prefix}_OTLP_GRPC_PORT"]),
        "JAEGER_METRICS_PORT": str(plan.ports[f"{prefix}_METRICS_PORT"]),
        "SPAN_METRICS_PORT": str(plan.ports[f"{prefix}_SPAN_METRICS_PORT"]),
        "JAEGER_HEALTH_PORT": str(plan.ports[f"{prefix}_HEALTH_PORT"]),
    }
    if wait_for_storage:
        environment["JAEGER_WAIT_FOR_STORAGE"] = "true"
    if plan.speed != 1:
        environment["SPANMETRICS_FLUSH_INTERVAL"] = f"{plan.span_metrics_interval:g}s"
    if sampling is not None:
        files.append(folder / "tail-sampling.yaml")
        environment |= {
            "JAEGER_HALF_PORT": str(plan.ports[f"{prefix}_HALF_PORT"]),
            "JAEGER_HALF_A_URL": plan.url("COLLECTOR_A_HALF_PORT"),
            "JAEGER_HALF_B_URL": plan.url("COLLECTOR_B_HALF_PORT"),
            "JAEGER_KEPT_PERCENT": f"{sampling.percent:g}",
            "JAEGER_DECISION_WAIT": f"{sampling.wait:g}s",
        }
    return Component(
        f"jaeger-collector-{name}",
        (*_after(plan, "CASSANDRA_PORT"), *(f"--config=file:{file}" for file in files)),
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
