"""The traces' side of local mode at scale: what the balancer hands spans to."""

from __future__ import annotations

from stack.ops.components import Component, Plan, jaeger


def traces(plan: Plan) -> list[Component]:
    """List Jaeger, with the port for spans that the balancer knows."""
    return [jaeger(plan, spans="COLLECTOR_A_")]
