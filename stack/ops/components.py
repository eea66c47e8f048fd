"""What runs in local mode: each component's command, environment and address."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.ops.added import added, module_of, variable_of
from stack.ops.binaries import Binaries
from stack.ops.ports import LOCALHOST

GUNICORN = (sys.executable, "-m", "gunicorn")
ONE_WORKER = ("--workers=1", "--worker-class=gthread", "--threads=8", "--no-control-socket")

JAEGER_PORTS = (
    "JAEGER_QUERY_PORT",
    "JAEGER_METRICS_PORT",
    "JAEGER_HEALTH_PORT",
    "OTLP_GRPC_PORT",
    "OTLP_HTTP_PORT",
    "SPAN_METRICS_PORT",
)


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
        mode: how it is run, as `local` processes or as containers by `compose`.
        project: what Compose calls it.
        jaeger: the path of Jaeger's program in local mode; empty for the embedded trace store.
        console: whether it stands in for Grafana, and shows the traces.
        scale: whether each part runs at least twice, with Thanos over the metrics.
        sampling: who decides at scale which traces are kept: the services at the `head` of each,
            or the collectors at its `tail`.
        shards: in how many the targets are, each with a pair of Prometheus; 1 unless at scale.
    """

    root: Path
    run_dir: Path
    ports: Mapping[str, int]
    speed: float = 1.0
    load: float = 1.0
    mode: str = "local"
    project: str = "stack"
    jaeger: str = ""
    console: bool = True
    scale: bool = False
    sampling: str = "head"
    shards: int = 1

    def url(self, port: str, path: str = "") -> str:
        """Return the address of a path of what has that port."""
        return f"http://{LOCALHOST}:{self.ports[port]}{path}"

    def bind(self, port: str) -> str:
        """Return host and port with a colon between."""
        return f"{LOCALHOST}:{self.ports[port]}"

    def make(self, targets: str) -> str:
        """Return the command that makes targets such as `up` of the same kind of stack."""
        shards = f" SHARDS={self.shards}" if self.shards > 1 else ""
        return f"make {targets}{' SCALE=1' if self.scale else ''}{shards}"

    @property
    def dashboards_url(self) -> str:
        """Where a person looks at dashboards."""
        return self.url("CONSOLE_PORT" if self.console else "GRAFANA_PORT")

    @property
    def traces_url(self) -> str:
        """Where a person looks at traces; the console has Jaeger's own paths."""
        return self.url("CONSOLE_PORT" if self.console else "JAEGER_QUERY_PORT")

    @property
    def metrics_url(self) -> str:
        """Where all metrics are asked for, with Prometheus' API."""
        return self.url("QUERY_FRONTEND_PORT" if self.scale else "PROMETHEUS_PORT")

    @property
    def breaker_timeout(self) -> float:
        """Seconds from an opening of the gateway's breakers to their first probe."""
        return max(0.5, 15 / self.speed)

    @property
    def watchdog_timeout(self) -> float:
        """Seconds without a Watchdog after which the inbox calls the path of alerts silent."""
        return max(10.0, 300 / self.speed)

    @property
    def resend_delay(self) -> int:
        """Seconds after which Prometheus sends again what fires.

        What was sent before Alertmanager was found, or while it was away, is soon sent again.
        """
        return max(1, round(15 / self.speed))

    @property
    def span_metrics_interval(self) -> float:
        """Seconds between two exports of Jaeger's span metrics."""
        return max(1.0, 15 / self.speed)

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
        jaeger(plan) if plan.jaeger else _trace_store(plan),
        *services(plan),
        *added_services(plan),
        alertmanager(plan, binaries),
        prometheus(plan, binaries),
        console(plan),
    ]
    return [*found, *load_generator(plan)]


def further_load(
    plan: Plan, rate: float, duration: float = 0.0
) -> tuple[list[str], dict[str, str]]:
    """Return the command of a load generator beside the stack's own, and its environment.

    Args:
        plan: what runs.
        rate: questions per second.
        duration: seconds until it ends; 0 for no end.
    """
    environment = {
        "GATEWAY_URL": plan.url("GATEWAY_PORT"),
        "RATE": str(rate),
        "DURATION": str(duration),
        "METRICS_PORT": "0",
    }
    return [sys.executable, "-m", "services.loadgen"], {**os.environ, **environment}


def services(plan: Plan) -> list[Component]:
    """List the stack's own services, in the order in which they start."""
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
                "JAEGER_URL": plan.traces_url,
                "BREAKER_TIMEOUT_SECONDS": f"{plan.breaker_timeout:g}",
            },
            "ask a question",
        ),
        _service(
            plan,
            "inbox",
            {
                "DATABASE_PATH": str(plan.data / "inbox.db"),
                "JAEGER_URL": plan.traces_url,
                "WATCHDOG_TIMEOUT_SECONDS": f"{plan.watchdog_timeout:g}",
                "WEB_CONCURRENCY": "1",
            },
            "alerts received",
        ),
    ]


def added_services(plan: Plan) -> list[Component]:
    """List those that were added to the stack's own."""
    return [
        _service(plan, each.name, each.environment, each.shows)
        for each in added(plan.root)
        # What runs has the ports that it was started with: what came later has none yet.
        if each.variable in plan.ports
    ]


def _service(plan: Plan, name: str, environment: Mapping[str, str], shows: str) -> Component:
    port = variable_of(name)
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
        (*GUNICORN, "-c", "services/gunicorn.conf.py", _app(name)),
        plan.url(port, "/readyz"),
        plan.url(port),
        shows,
        common | dict(environment),
    )


def _app(service: str) -> str:
    return f"services.{module_of(service)}.app:create_app()"


def jaeger(plan: Plan) -> Component:
    """Jaeger, all of it in one process."""
    config = plan.root / "jaeger" / "config.yaml"
    return Component(
        "jaeger",
        (plan.jaeger, f"--config=file:{config}"),
        plan.url("JAEGER_HEALTH_PORT", "/status"),
        plan.url("JAEGER_QUERY_PORT"),
        "traces (Jaeger)",
        jaeger_environment(plan),
    )


def jaeger_environment(plan: Plan) -> dict[str, str]:
    """Return the variables that `jaeger/config.yaml` reads, for local mode."""
    found = {name: str(plan.ports[name]) for name in JAEGER_PORTS}
    if plan.speed != 1:
        found["SPANMETRICS_FLUSH_INTERVAL"] = f"{plan.span_metrics_interval:g}s"
    return found | {
        "JAEGER_LISTEN_HOST": LOCALHOST,
        # Nobody asks it; any free port will do.
        "JAEGER_QUERY_GRPC_PORT": "0",
        "JAEGER_DATA_DIR": str(plan.data / "jaeger"),
        "JAEGER_UI_CONFIG": str(plan.root / "jaeger" / "ui.json"),
        "PROMETHEUS_URL": plan.metrics_url,
        # Garbage is collected well before the memory limiter of its file refuses spans.
        "GOMEMLIMIT": "300MiB",
    }


def _trace_store(plan: Plan) -> Component:
    binds = ("OTLP_HTTP_PORT", "JAEGER_QUERY_PORT", "JAEGER_METRICS_PORT")
    listen = tuple(part for port in binds for part in ("-b", plan.bind(port)))
    return Component(
        "jaeger",
        (
            # One process, for it is the only writer of its database.
            *GUNICORN,
            *ONE_WORKER,
            *listen,
            "stack.ops.tracestore.app:create_app()",
        ),
        plan.url("JAEGER_QUERY_PORT", "/healthz"),
        plan.url("JAEGER_QUERY_PORT"),
        "traces (embedded store, Jaeger's query API)",
        {
            "TRACESTORE_DATABASE_PATH": str(plan.data / "traces.db"),
            "TRACESTORE_UI_URL": plan.traces_url,
        },
    )


def alertmanager(
    plan: Plan,
    binaries: Binaries,
    name: str = "alertmanager",
    # One instance needs no gossip, and no further port.
    gossip: tuple[str, ...] = ("--cluster.listen-address=",),
) -> Component:
    """Alertmanager; its name says which port is its own, and where its data is."""
    port = variable_of(name)
    return Component(
        name,
        (
            str(binaries.alertmanager),
            f"--config.file={plan.config / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={plan.data / name}",
            f"--web.listen-address={plan.bind(port)}",
            f"--web.external-url={plan.url(port)}",
            "--enable-feature=utf8-strict-mode",
            # What is silenced outlives a kill that comes a quarter of a minute later.
            "--data.maintenance-interval=15s",
            *gossip,
        ),
        plan.url(port, "/-/ready"),
        plan.url(port, "/api/v2/alerts"),
        "alert routing (API)",
        directory=binaries.directory,
    )


def prometheus(
    plan: Plan, binaries: Binaries, name: str = "prometheus", file: str = "prometheus.yml"
) -> Component:
    """Prometheus; its name says which port is its own, and where its data is."""
    port = variable_of(name)
    return Component(
        name,
        (
            str(binaries.prometheus),
            f"--config.file={plan.config / 'prometheus' / file}",
            f"--storage.tsdb.path={plan.data / name}",
            f"--web.listen-address={plan.bind(port)}",
            f"--web.external-url={plan.url(port)}",
            "--enable-feature=exemplar-storage",
            f"--rules.alert.resend-delay={plan.resend_delay}s",
            # In its file Prometheus 3.5, the release with long-term support, does not know these.
            "--storage.tsdb.retention.time=32d",
            "--storage.tsdb.retention.size=2GB",
        ),
        plan.url(port, "/-/ready"),
        plan.url(port, "/api/v1/targets"),
        "metrics and rules (API)",
        directory=binaries.directory,
    )


def console(plan: Plan) -> Component:
    """The console, which reads the same files as Grafana would."""
    return Component(
        "console",
        (
            *GUNICORN,
            *ONE_WORKER,
            f"--bind={plan.bind('CONSOLE_PORT')}",
            "stack.ops.console.app:create_app()",
        ),
        plan.url("CONSOLE_PORT", "/healthz"),
        plan.url("CONSOLE_PORT"),
        "dashboards, traces, alerts",
        {
            "GRAFANA_CONFIG_DIR": str(plan.config / "grafana"),
            "METRICS_URL": plan.metrics_url,
        },
    )


def load_generator(plan: Plan) -> list[Component]:
    """The load generator; nothing when no load is asked for."""
    if not plan.load:
        return []
    generator = Component(
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
    return [generator]
