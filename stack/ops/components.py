"""What runs in local mode: each component's command, environment and address."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.ops.binaries import Binaries
from stack.ops.ports import LOCALHOST
from stack.ops.render import retention_flags

GUNICORN = (sys.executable, "-m", "gunicorn")


@dataclass(frozen=True, slots=True)
class Component:
    """One supervised process with its children.

    Args:
        name: as logs, status and metrics name it.
        command: its arguments, the program first.
        health: the URL that answers 200 when it is ready.
        address: where a person looks at it; empty if nobody does.
        shows: what is to be seen there.
        environment: added to the supervisor's own.
        directory: where it is started; the checkout if nothing is said.
    """

    name: str
    command: tuple[str, ...]
    health: str
    address: str
    shows: str
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides how the stack is run.

    Args:
        root: the checkout.
        run_dir: where everything that is written goes.
        ports: by variable name.
        speed: all of the alerts' and services' waiting times are divided by it.
        load: questions per second of the load generator; 0 for none.
    """

    root: Path
    run_dir: Path
    ports: Mapping[str, int]
    speed: float = 1.0
    load: float = 1.0

    def url(self, port: str, path: str = "") -> str:
        """Return the address of a path of what has that port."""
        return f"http://{LOCALHOST}:{self.ports[port]}{path}"

    def bind(self, port: str) -> str:
        """Return host and port with a colon between."""
        return f"{LOCALHOST}:{self.ports[port]}"

    @property
    def data(self) -> Path:
        """Where components keep what outlives them."""
        return self.run_dir / "data"

    @property
    def config(self) -> Path:
        """Where the rendered configuration is."""
        return self.run_dir / "config"

    @property
    def secrets(self) -> Path:
        """Where the generated secrets are."""
        return self.run_dir / "secrets"


def components(plan: Plan, binaries: Binaries) -> list[Component]:
    """List what runs, in the order in which it starts."""
    found = [
        _trace_store(plan),
        *_services(plan),
        _alertmanager(plan, binaries),
        _prometheus(plan, binaries),
    ]
    if plan.load:
        found.append(_loadgen(plan))
    return found


def _services(plan: Plan) -> list[Component]:
    return [
        _service(
            plan,
            "retrieval",
            {"DOCS_DIR": str(plan.root), "DATABASE_PATH": str(plan.data / "retrieval.db")},
            "full-text search over the docs",
        ),
        _service(plan, "llm", {}, "stand-in model, OpenAI wire form"),
        _service(
            plan,
            "gateway",
            {
                "RETRIEVAL_URL": plan.url("RETRIEVAL_PORT"),
                "LLM_BASE_URL": plan.url("LLM_PORT"),
                "JAEGER_URL": plan.url("JAEGER_QUERY_PORT"),
                "BREAKER_TIMEOUT_SECONDS": f"{max(0.5, 15 / plan.speed):g}",
            },
            "ask a question",
        ),
        _service(
            plan,
            "inbox",
            {
                "DATABASE_PATH": str(plan.data / "inbox.db"),
                "JAEGER_URL": plan.url("JAEGER_QUERY_PORT"),
                "WATCHDOG_TIMEOUT_SECONDS": f"{max(10.0, 300 / plan.speed):g}",
                "WEB_CONCURRENCY": "1",
            },
            "alerts received",
        ),
    ]


def _service(plan: Plan, name: str, environment: Mapping[str, str], shows: str) -> Component:
    port = f"{name.upper()}_PORT"
    common = {
        "HOST": LOCALHOST,
        "PORT": str(plan.ports[port]),
        "WEB_CONCURRENCY": "2",
        "OTEL_EXPORTER_OTLP_ENDPOINT": plan.url("OTLP_HTTP_PORT"),
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=local",
        "STACK_METRICS_TOKEN_FILE": str(plan.secrets / "metrics_token"),
        "STACK_FAULTS": "on",
        "STACK_FAULTS_TOKEN_FILE": str(plan.secrets / "faults_token"),
    }
    return Component(
        name,
        (*GUNICORN, "-c", "services/gunicorn.conf.py", f"services.{name}.app:create_app()"),
        plan.url(port, "/readyz"),
        plan.url(port),
        shows,
        common | dict(environment),
    )


def _trace_store(plan: Plan) -> Component:
    binds = ("OTLP_HTTP_PORT", "JAEGER_QUERY_PORT", "JAEGER_METRICS_PORT")
    listen = tuple(part for port in binds for part in ("-b", plan.bind(port)))
    # One process, for it is the only writer of its database.
    workers = ("--workers", "1", "--worker-class", "gthread", "--threads", "8")
    return Component(
        "jaeger",
        (
            *GUNICORN,
            *workers,
            *listen,
            "--no-control-socket",
            "stack.ops.tracestore.app:create_app()",
        ),
        plan.url("JAEGER_QUERY_PORT", "/healthz"),
        plan.url("JAEGER_QUERY_PORT"),
        "traces (embedded store, Jaeger's query API)",
        {"TRACESTORE_DATABASE_PATH": str(plan.data / "traces.db")},
    )


def _alertmanager(plan: Plan, binaries: Binaries) -> Component:
    return Component(
        "alertmanager",
        (
            str(binaries.alertmanager),
            f"--config.file={plan.config / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={plan.data / 'alertmanager'}",
            f"--web.listen-address={plan.bind('ALERTMANAGER_PORT')}",
            f"--web.external-url={plan.url('ALERTMANAGER_PORT')}",
            # One instance needs no gossip, and no further port.
            "--cluster.listen-address=",
        ),
        plan.url("ALERTMANAGER_PORT", "/-/ready"),
        plan.url("ALERTMANAGER_PORT", "/api/v2/alerts"),
        "alert routing (API)",
        directory=binaries.directory,
    )


def _prometheus(plan: Plan, binaries: Binaries) -> Component:
    return Component(
        "prometheus",
        (
            str(binaries.prometheus),
            f"--config.file={plan.config / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={plan.data / 'prometheus'}",
            f"--web.listen-address={plan.bind('PROMETHEUS_PORT')}",
            f"--web.external-url={plan.url('PROMETHEUS_PORT')}",
            "--enable-feature=exemplar-storage",
            # What was sent before Alertmanager was found, or while it was away, is soon sent again.
            f"--rules.alert.resend-delay={max(1, round(15 / plan.speed))}s",
            *retention_flags(plan.root / "prometheus"),
        ),
        plan.url("PROMETHEUS_PORT", "/-/ready"),
        plan.url("PROMETHEUS_PORT", "/api/v1/targets"),
        "metrics and rules (API)",
        directory=binaries.directory,
    )


def _loadgen(plan: Plan) -> Component:
    return Component(
        "loadgen",
        (sys.executable, "-m", "services.loadgen"),
        plan.url("LOADGEN_METRICS_PORT", "/healthz"),
        "",
        f"{plan.load:g} questions per second",
        {
            "GATEWAY_URL": plan.url("GATEWAY_PORT"),
            "RATE": f"{plan.load:g}",
            "METRICS_PORT": str(plan.ports["LOADGEN_METRICS_PORT"]),
            "HOST": LOCALHOST,
        },
    )
