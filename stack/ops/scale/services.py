"""The services' side of local mode at scale: each several times, behind one address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stack.ops.components import Component, Plan, services
from stack.ops.ports import LOCALHOST
from stack.ops.scale.ports import PAIR, REPLICAS, replicas

UPSTREAMS = "upstreams.caddy"


def replicated(plan: Plan) -> list[Component]:
    """List the stack's own services, those that can run several times as often as they do."""
    found = []
    for service in services(plan):
        if service.name in REPLICAS:
            found += [_replica(plan, service, *each) for each in replicas(service.name)]
        else:
            found.append(service)
    return found


def _replica(plan: Plan, service: Component, name: str, port: str) -> Component:
    """One of them: its own port, its own files, and one worker, for there are several."""
    own = {"PORT": str(plan.ports[port]), "WEB_CONCURRENCY": "1"}
    if "DATABASE_PATH" in service.environment:
        own["DATABASE_PATH"] = str(plan.data / f"{name}.db")
    return replace(
        service,
        name=name,
        health=plan.url(port, "/readyz"),
        address="",
        environment={**service.environment, **own},
    )


def balancer(plan: Plan, program: Path) -> Component:
    """What stands before them, at the ports that one of them would have."""
    ports = (
        "GATEWAY_PORT",
        "RETRIEVAL_PORT",
        "LLM_PORT",
        "OTLP_HTTP_PORT",
        "BALANCER_METRICS_PORT",
    )
    return Component(
        "balancer",
        (str(program), "run", f"--config={plan.root / 'caddy' / 'Caddyfile'}"),
        plan.url("BALANCER_METRICS_PORT", "/healthz"),
        plan.url("GATEWAY_PORT"),
        "ask a question",
        {
            "HOST": LOCALHOST,
            "UPSTREAMS": str(plan.config / "caddy" / UPSTREAMS),
            # It keeps nothing, but asks for a home.
            "XDG_DATA_HOME": str(plan.data / "caddy"),
            "XDG_CONFIG_HOME": str(plan.data / "caddy"),
            **{name: str(plan.ports[name]) for name in ports},
        },
    )


def write_upstreams(plan: Plan) -> None:
    """Write who stands behind the balancer, where its file looks for it."""
    behind: Mapping[str, list[str]] = {
        **{service: [plan.bind(port) for _, port in replicas(service)] for service in REPLICAS},
        "collector": [plan.bind(f"COLLECTOR_{each.upper()}_OTLP_HTTP_PORT") for each in PAIR],
    }
    lines = [f"({name}) {{\n\tto {' '.join(addresses)}\n}}\n" for name, addresses in behind.items()]
    folder = plan.config / "caddy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UPSTREAMS).write_text("\n".join(lines), encoding="utf-8")
