"""compose.yaml meets the security policy, and each rule of it finds what breaks it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.config.conftest import COMPOSE
from tests.config.policy import ONE_SHOT, RULES, violations

Change = Callable[[dict[str, Any]], object]


def of(name: str, **keys: object) -> Change:
    """Set keys of a service."""
    return lambda document: document["services"][name].update(keys)


def without(name: str, *path: str) -> Change:
    """Take a key, or one inside another, from a service."""

    def change(document: dict[str, Any]) -> None:
        inner = document["services"][name]
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


def with_variable(name: str, variable: str, value: str) -> Change:
    """Give a service a variable."""
    return lambda document: document["services"][name]["environment"].update({variable: value})


def with_mount(name: str, **mount: object) -> Change:
    """Give a service a mount."""
    return lambda document: document["services"][name]["volumes"].append(mount)


def with_port(address: dict[str, str]) -> Change:
    """Publish the gateway once more."""
    port = {"target": 8000, "published": "8000", **address}
    return lambda document: document["services"]["gateway"]["ports"].append(port)


# Rule, what breaks it, how.
BAD: tuple[tuple[str, str, Change], ...] = (
    ("health-check", "none", without("llm", "healthcheck")),
    ("health-check", "switched off", of("llm", healthcheck={"disable": True})),
    ("health-check", "endless", without("llm", "healthcheck", "timeout")),
    ("restart", "none", without("inbox", "restart")),
    ("restart", "only on failure", of("inbox", restart="on-failure")),
    ("restart", "of what is done", of(ONE_SHOT, restart="always")),
    ("limits", "none", without("gateway", "deploy")),
    ("limits", "no memory", without("gateway", "deploy", "resources", "limits", "memory")),
    ("limits", "no processor", without("gateway", "deploy", "resources", "limits", "cpus")),
    ("limits", "no pids", without("gateway", "deploy", "resources", "limits", "pids")),
    ("go-memory", "none", without("jaeger", "environment", "GOMEMLIMIT")),
    ("go-memory", "too much", with_variable("jaeger", "GOMEMLIMIT", "512MiB")),
    ("log-rotation", "none", without("prometheus", "logging")),
    ("log-rotation", "no size", without("prometheus", "logging", "options", "max-size")),
    ("log-rotation", "elsewhere", lambda d: d["services"]["llm"]["logging"].update(driver="none")),
    ("stop-grace", "none", without("inbox", "stop_grace_period")),
    ("stop-grace", "no time", of("inbox", stop_grace_period="0s")),
    ("numeric-user", "the image's", without("grafana", "user")),
    ("numeric-user", "by name", of("grafana", user="grafana")),
    ("numeric-user", "root", of("grafana", user="0:0")),
    ("read-only-root", "none", without("jaeger", "read_only")),
    ("no-capabilities", "kept", without("gateway", "cap_drop")),
    ("no-capabilities", "some dropped", of("gateway", cap_drop=["NET_RAW"])),
    ("no-capabilities", "added", of("gateway", cap_add=["NET_ADMIN"])),
    ("no-host", "privileged", of("loadgen", privileged=True)),
    ("no-host", "network", of("loadgen", network_mode="host")),
    ("no-host", "pid", of("loadgen", pid="host")),
    ("no-host", "ipc", of("loadgen", ipc="host")),
    ("no-host", "device", of("loadgen", devices=["/dev/kmsg"])),
    (
        "no-engine-socket",
        "read-only",
        with_mount(
            "prometheus",
            type="bind",
            source="/var/run/docker.sock",
            target="/var/run/docker.sock",
            read_only=True,
        ),
    ),
    ("no-new-privileges", "none", without("retrieval", "security_opt")),
    ("no-new-privileges", "false", of("retrieval", security_opt=["no-new-privileges:false"])),
    (
        "no-new-privileges",
        "no profile",
        of("retrieval", security_opt=["no-new-privileges:true", "seccomp:unconfined"]),
    ),
    ("loopback", "every address", with_port({})),
    ("loopback", "IPv6", with_port({"host_ip": "::"})),
    ("loopback", "the machine's", with_port({"host_ip": "192.168.0.2"})),
    ("networks", "way out", lambda d: d["networks"]["telemetry"].update(internal=False)),
    ("networks", "tool at the edge", of("grafana", networks={"edge": None, "telemetry": None})),
    ("networks", "service at the desk", of("llm", networks={"desk": None, "telemetry": None})),
    ("networks", "default", without("llm", "networks")),
    ("pinned-images", "no tag", of("jaeger", image="jaegertracing/jaeger")),
    ("pinned-images", "port for a tag", of("jaeger", image="registry:5000/jaeger")),
    ("pinned-images", "latest", of("jaeger", image="jaegertracing/jaeger:latest")),
    ("pinned-images", "latest by another name", of("jaeger", image="x/jaeger:latest-2.22")),
    ("pinned-images", "moving tag", of("jaeger", image="jaegertracing/jaeger:main")),
    (
        "pinned-images",
        "base",
        lambda d: d["services"][ONE_SHOT]["build"]["args"].update(PYTHON_IMAGE="python"),
    ),
    ("no-obsolete-keys", "version", lambda d: d.update(version="3.8")),
    ("no-obsolete-keys", "links", of("gateway", links=["llm"])),
    ("no-obsolete-keys", "name", of("gateway", container_name="gateway")),
    ("no-obsolete-keys", "limit of memory", of("gateway", mem_limit="256m")),
    ("no-secrets", "password", with_variable("grafana", "GF_SECURITY_ADMIN_PASSWORD", "admin")),
    ("no-secrets", "token", with_variable("llm", "STACK_METRICS_TOKEN", "t")),
    ("no-secrets", "key", with_variable("gateway", "LLM_API_KEY", "")),
    ("no-secrets", "value for a file", with_variable("llm", "STACK_FAULTS_TOKEN_FILE", "abc")),
    ("conditions", "started", of("gateway", depends_on={"llm": {"condition": "service_started"}})),
    ("conditions", "secrets", of("llm", depends_on={ONE_SHOT: {"condition": "service_healthy"}})),
    (
        "conditions",
        "optional",
        of("gateway", depends_on={"llm": {"condition": "service_healthy", "required": False}}),
    ),
    ("mounts", "checkout", with_mount("llm", type="bind", source="/src", target="/app")),
    ("mounts", "no name", with_mount("llm", type="volume", target="/data")),
    ("mounts", "image", with_mount("llm", type="image", source="x:1", target="/x")),
    ("tmpfs", "no size", of("llm", tmpfs=["/tmp:noexec,nosuid,nodev"])),
    ("tmpfs", "programs", of("llm", tmpfs=["/tmp:size=1m,nosuid,nodev"])),
    ("tmpfs", "no options", of("llm", tmpfs=["/tmp"])),
)


@pytest.mark.parametrize("rule", RULES)
def test_the_stack_meets_each_rule(document: dict[str, Any], rule: str) -> None:
    """Every service that compose.yaml can start, in any profile."""
    assert list(RULES[rule](document)) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_overlay_of_pairs_meets_each_rule_too(
    scaled_document: dict[str, Any], rule: str
) -> None:
    """Every service of both files, as they are together."""
    assert list(RULES[rule](scaled_document)) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_overlay_of_shards_meets_each_rule_too(
    sharded_document: dict[str, Any], rule: str
) -> None:
    """Every service of the three files, as they are together."""
    assert list(RULES[rule](sharded_document)) == []


@pytest.mark.parametrize(
    ("rule", "change"),
    [(rule, change) for rule, _, change in BAD],
    ids=[f"{rule}: {what}" for rule, what, _ in BAD],
)
def test_a_violation_is_found_by_its_rule(
    document: dict[str, Any], rule: str, change: Change
) -> None:
    """By that one and by no other."""
    bad = copy.deepcopy(document)
    change(bad)
    assert list(violations(bad)) == [rule]


def test_no_rule_is_without_a_violation_that_shows_it() -> None:
    """A rule that finds nothing would pass for good."""
    assert {rule for rule, _, _ in BAD} == set(RULES)


def test_no_obsolete_key_is_lost_in_rendering() -> None:
    """Compose drops `version` silently, so that rule reads the file as it is written too."""
    written = yaml.safe_load(COMPOSE.read_text())
    assert list(RULES["no-obsolete-keys"](written)) == []
