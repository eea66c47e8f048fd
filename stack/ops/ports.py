"""What the environment and `.env` say of the run: ports, load, …; else the defaults."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from dotenv import dotenv_values

from stack.environment import choice, integer, number, read
from stack.errors import ConfigurationError, OpsError
from stack.ops.added import added

# Those of the stack itself; `default_ports` has the added services', too.
DEFAULTS: Mapping[str, int] = {
    "GATEWAY_PORT": 8000,
    "RETRIEVAL_PORT": 8001,
    "LLM_PORT": 8002,
    "INBOX_PORT": 8003,
    "LOADGEN_METRICS_PORT": 9646,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "JAEGER_QUERY_PORT": 16686,
    "OTLP_HTTP_PORT": 4318,
    "JAEGER_METRICS_PORT": 8888,
    "OTLP_GRPC_PORT": 4317,
    "SPAN_METRICS_PORT": 8889,
    "JAEGER_HEALTH_PORT": 13133,
    "GRAFANA_PORT": 3000,
    "CONSOLE_PORT": 3001,
}
# Which of both runs depends on whether Grafana can be had; never in local mode.
ONLY_WITH_GRAFANA = {"GRAFANA_PORT"}
ONLY_WITHOUT_GRAFANA = {"CONSOLE_PORT"}
# These are not published by containers.
ONLY_LOCAL = {"LOADGEN_METRICS_PORT", "JAEGER_HEALTH_PORT"}
# Nothing has these where the embedded trace store takes Jaeger's place.
ONLY_WITH_JAEGER = {"OTLP_GRPC_PORT", "SPAN_METRICS_PORT", "JAEGER_HEALTH_PORT"}
LOCALHOST = "127.0.0.1"
NOTHING: Mapping[str, int] = MappingProxyType({})


def default_ports(root: Path) -> dict[str, int]:
    """Return the port of each variable when nobody sets one.

    Raises:
        OpsError: the file of an added service is wrong.
    """
    return {**DEFAULTS, **{each.variable: each.port for each in added(root)}}


def read_ports(
    root: Path, environ: Mapping[str, str] = os.environ, further: Mapping[str, int] = NOTHING
) -> dict[str, int]:
    """Return the port of each variable; the environment wins over `.env` in `root`.

    Args:
        root: the checkout.
        environ: the environment.
        further: more variables with their defaults.

    Raises:
        ConfigurationError: a variable is no port, or two have the same.
        OpsError: the file of an added service is wrong.
    """
    texts = _settings(root, environ)
    ports = {
        name: read(texts, name, integer(1, 65_535), port)
        for name, port in {**default_ports(root), **further}.items()
    }
    owners: dict[int, str] = {}
    for name, port in ports.items():
        other = owners.setdefault(port, name)
        if other != name:
            raise ConfigurationError(name, port, f"another port than that of {other}")
    return ports


def read_load_rate(root: Path, environ: Mapping[str, str] = os.environ) -> float:
    """Return the questions per second that the load generator asks; 1 if nothing is said.

    Raises:
        ConfigurationError: `LOAD_RATE` is no number from 0 to 50.
    """
    return read(_settings(root, environ), "LOAD_RATE", number(0, 50), 1.0)


def read_sampling(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return who decides at scale which traces are kept, `head` or `tail`.

    Raises:
        ConfigurationError: `SAMPLING` is neither.
    """
    return read(_settings(root, environ), "SAMPLING", choice("head", "tail"), "head")


def read_project(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return what Compose calls the stack: `COMPOSE_PROJECT_NAME`, as Compose itself reads it."""
    return _settings(root, environ).get("COMPOSE_PROJECT_NAME") or "stack"


def _settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    try:
        given = {**dotenv_values(root / ".env"), **environ}
    except UnicodeDecodeError as error:
        raise ConfigurationError(".env", str(error), "a text file in UTF-8") from error
    return {name: value or "" for name, value in given.items()}


def localhost_addresses(
    ports: Mapping[str, int],
    *,
    console: bool = False,
    defaults: Mapping[str, int] = DEFAULTS,
) -> dict[str, str]:
    """Map `localhost:port` as links in the components' files have it to where that is here.

    Args:
        ports: by variable name.
        console: whether links to dashboards and traces lead to it.
        defaults: the ports that stand in the files.
    """
    found = {
        f"localhost:{defaults[name]}": f"localhost:{port}"
        for name, port in ports.items()
        # A service that was taken away while it ran has no links.
        if name in defaults
    }
    shown = ("GRAFANA_PORT", "JAEGER_QUERY_PORT") if console else ()
    return found | {
        f"localhost:{DEFAULTS[name]}": f"localhost:{ports['CONSOLE_PORT']}" for name in shown
    }


def check_free(ports: Mapping[str, int]) -> None:
    """Make sure that every port can be bound.

    Raises:
        OpsError: some are taken; the message names each and its variable.
    """
    taken = [f"{port} ({name})" for name, port in ports.items() if not is_free(port)]
    if taken:
        raise OpsError(
            f"already in use on {LOCALHOST}: {', '.join(taken)}; stop what listens there, or give "
            f"another port in .env or the environment, for example "
            f"{taken[0].partition('(')[2].rstrip(')')}={_suggestion(ports)}"
        )


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        # As servers do: a connection that is closing down does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def free_ports(names: Collection[str]) -> dict[str, int]:
    """Return for each variable another port of this machine that nothing listens on."""
    with ExitStack() as held:
        probes = {name: held.enter_context(socket.socket()) for name in names}
        for probe in probes.values():
            probe.bind((LOCALHOST, 0))
        return {name: probe.getsockname()[1] for name, probe in probes.items()}


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    (port,) = free_ports([""]).values()
    return port


def _suggestion(ports: Mapping[str, int]) -> int:
    return next(p for p in range(18_000, 65_536) if p not in ports.values() and is_free(p))
