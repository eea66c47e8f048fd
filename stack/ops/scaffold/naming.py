"""Which names and ports a new service may have."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Collection
from pathlib import Path

from stack.errors import ConfigurationError
from stack.ops.added import PATTERN, Added, added, module_of, variable_of
from stack.ops.ports import DEFAULTS, is_free, read_ports
from stack.ops.scale.ports import REPLICAS, SCALED, replicas
from stack.ops.scale.prometheus import thanos_of
from stack.ops.scale.shards import SHARDED_PORTS, SHARDS, letters, prometheus_name

FIRST_PORT = 8010
LONGEST = 30
# The stack's own containers, jobs, hosts and folders; what YAML reads as something else than text.
RESERVED = {
    *("gateway", "retrieval", "llm", "inbox", "loadgen", "template", "healthcheck"),
    *("prometheus", "alertmanager", "jaeger", "spanmetrics", "grafana", "console", "supervisor"),
    *("secrets", "localhost", "stack", "services", "tests", "other"),
    *("thanos", "balancer", "bucket", "cassandra", "alertmanager-b", *thanos_of(len(SHARDS))),
    *map(prometheus_name, letters(len(SHARDS))),
    *("jaeger-query", "jaeger-collector-a", "jaeger-collector-b", "collector-a", "collector-b"),
    *(name for service in REPLICAS for name, _ in replicas(service)),
}
_AT_SCALE = {**SCALED, **SHARDED_PORTS}
_YAML = {"y", "yes", "n", "no", "on", "off", "true", "false", "null"}


def check_name(root: Path, name: str) -> None:
    """Make sure that a new service can have this name.

    Raises:
        ConfigurationError: it cannot; the message says why, and what would be right.
    """
    form = Added.model_fields["name"].description
    if not re.fullmatch(PATTERN, name) or len(name) > LONGEST:
        raise _refused(name, f"{form}, such as orders or orders-2")
    module = module_of(name)
    if name in RESERVED or variable_of(name) in {**DEFAULTS, **_AT_SCALE}:
        raise _refused(name, "another one: the stack has something of that name itself")
    if name in _YAML or keyword.iskeyword(module) or module in sys.stdlib_module_names:
        what = "YAML reads as no text" if name in _YAML else "Python has for itself"
        raise _refused(name, f"another one than a word that {what}, such as {name}-service")
    if any(each.name == name for each in added(root)):
        raise _refused(
            name,
            f"another one: services/{module} is there; make remove-service NAME={name} ends it",
        )


def choose_port(root: Path, wanted: str | None) -> int:
    """Return the port that a new service gets: the wanted one, or the next that is free.

    Raises:
        ConfigurationError: the wanted one is none, or the stack has it.
    """
    taken = {port: name for name, port in read_ports(root).items()}
    # What somebody has moved in `.env` is still where the others have it.
    taken |= {port: name for name, port in {**_AT_SCALE, **DEFAULTS}.items()}
    taken |= {each.port: each.variable for each in added(root)}
    if wanted is None:
        return _next(taken)
    if not re.fullmatch(r"[1-9][0-9]{3,4}", wanted) or not 1024 <= int(wanted) <= 65_535:
        raise ConfigurationError("PORT", wanted, "a whole number from 1024 to 65535")
    if int(wanted) in taken:
        owner = taken[int(wanted)]
        raise ConfigurationError(
            "PORT", wanted, f"another port than that of {owner}, such as {_next(taken)}"
        )
    return int(wanted)


def _next(taken: Collection[int]) -> int:
    return next(p for p in range(FIRST_PORT, 65_536) if p not in taken and is_free(p))


def _refused(name: str, allowed: str) -> ConfigurationError:
    return ConfigurationError("NAME", name, allowed)
