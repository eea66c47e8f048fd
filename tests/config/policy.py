"""What compose.yaml has to keep to: one rule a function, all of them in `RULES`.

A rule gets the document that `docker compose config` renders, and yields a line for each violation.
To add one, write the function and name it in the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

Document = Mapping[str, Any]
Service = Mapping[str, Any]
Check = Callable[[Document], Iterator[str]]

# It makes the files of secrets and ends; what needs them waits for that, so there is no health to
# check and nothing to start again.
ONE_SHOT = "secrets"
# A person opens it, as the other tools; it runs from the services' image.
OWN_TOOL = "console"
# It stands before the services, and speaks to nobody else.
IN_FRONT = "balancer"
# What a program's file asks for, though the program does not need it.
ALLOWED = {IN_FRONT: ["NET_BIND_SERVICE"]}

_OBSOLETE = ("version",)
_OBSOLETE_IN_SERVICES = (
    "container_name",
    "cpu_quota",
    "cpus",
    "external_links",
    "links",
    "mem_limit",
    "pids_limit",
    "scale",
    "volumes_from",
)
_SECRET = re.compile(r"PASSWORD|PASSWD|TOKEN|SECRET|CREDENTIAL|(^|_)KEY(_|$)")
_IMAGE = re.compile(r"(?P<name>.+):(?P<tag>[\w][\w.-]*)(@sha256:[0-9a-f]{64})?")
_BYTES = re.compile(r"(\d+)(KiB|MiB|GiB)")
_FACTORS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def services(document: Document) -> Iterator[tuple[str, Service]]:
    """Yield every service with its name."""
    yield from document["services"].items()


def lasting(document: Document) -> Iterator[tuple[str, Service]]:
    """Yield those that go on running."""
    yield from ((name, each) for name, each in services(document) if name != ONE_SHOT)


def has_health_check(document: Document) -> Iterator[str]:
    """A container whose failure nobody sees is not started again."""
    for name, service in lasting(document):
        check = service.get("healthcheck", {})
        if check.get("disable") or check.get("test", ["NONE"])[0] == "NONE":
            yield f"{name}: nothing checks its health"
        for bound in ("interval", "timeout", "retries", "start_period"):
            if bound not in check:
                yield f"{name}: its health check has no {bound}"


def is_started_again(document: Document) -> Iterator[str]:
    """What ends is started again, but for what ends because its work is done."""
    for name, service in services(document):
        allowed = {"no"} if name == ONE_SHOT else {"unless-stopped", "always"}
        if service.get("restart") not in allowed:
            yield f"{name}: restart is {service.get('restart')}"


def has_limits(document: Document) -> Iterator[str]:
    """One container cannot take the machine from the others."""
    for name, service in services(document):
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        for resource in ("memory", "cpus", "pids"):
            if float(limits.get(resource, 0)) <= 0:
                yield f"{name}: no limit of {resource}"


def collects_garbage_in_time(document: Document) -> Iterator[str]:
    """Go's collector is told a limit below the container's, so that it works before the kernel."""
    for name, service in services(document):
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        match = _BYTES.fullmatch(service.get("environment", {}).get("GOMEMLIMIT", ""))
        if match is None:
            # Java is told its heap by its own options.
            if service["image"] != _own_image(document) and service.get("entrypoint") != ["java"]:
                yield f"{name}: no GOMEMLIMIT"
        elif int(match[1]) * _FACTORS[match[2]] > 0.9 * float(limits.get("memory", "inf")):
            yield f"{name}: GOMEMLIMIT is not well below its limit of memory"


def rotates_logs(document: Document) -> Iterator[str]:
    """Logs do not fill the disk."""
    for name, service in services(document):
        logging = service.get("logging", {})
        if logging.get("driver") not in {"json-file", "local"}:
            yield f"{name}: logs go to {logging.get('driver')}, where `docker logs` has no end"
        for option in ("max-size", "max-file"):
            if option not in logging.get("options", {}):
                yield f"{name}: its log has no {option}"


def may_finish(document: Document) -> Iterator[str]:
    """Who is told to stop has a stated time to finish."""
    for name, service in services(document):
        if seconds(service.get("stop_grace_period", "0s")) <= 0:
            yield f"{name}: no stop_grace_period"


def runs_as_nobody(document: Document) -> Iterator[str]:
    """A user by number, which the engine can hold against root whatever the image says."""
    for name, service in services(document):
        user = str(service.get("user", ""))
        if not re.fullmatch(r"[1-9]\d*(:\d+)?", user):
            yield f"{name}: runs as {user or 'what the image says'}"


def has_read_only_root(document: Document) -> Iterator[str]:
    """Nothing changes a program that runs."""
    for name, service in services(document):
        if service.get("read_only") is not True:
            yield f"{name}: its root can be written"


def has_no_capabilities(document: Document) -> Iterator[str]:
    """All are dropped; none is added that is not on the list of exceptions."""
    for name, service in services(document):
        if service.get("cap_drop") != ["ALL"]:
            yield f"{name}: keeps capabilities"
        if service.get("cap_add") and service["cap_add"] != ALLOWED.get(name):
            yield f"{name}: adds {', '.join(service['cap_add'])}"


def is_shut_off_from_the_host(document: Document) -> Iterator[str]:
    """No privileges, no namespace and no device of the machine."""
    for name, service in services(document):
        if service.get("privileged"):
            yield f"{name}: is privileged"
        for key in ("network_mode", "pid", "ipc", "userns_mode", "uts", "cgroup"):
            # No network at all is not the machine's.
            if service.get(key) and (key, service[key]) != ("network_mode", "none"):
                yield f"{name}: {key} is {service[key]}"
        for key in ("devices", "device_cgroup_rules", "volumes_from"):
            if service.get(key):
                yield f"{name}: has {key}"


def is_not_given_the_engine(document: Document) -> Iterator[str]:
    """Who can speak to the engine is root on the machine."""
    for name, service in services(document):
        for mount in service.get("volumes", []):
            paths = (str(mount.get("source", "")), str(mount["target"]))
            if any(re.search(r"(docker|containerd|podman)\.sock", path) for path in paths):
                yield f"{name}: mounts {paths[0]}"


def gains_no_privileges(document: Document) -> Iterator[str]:
    """No set-uid program helps anybody, and no profile is switched off."""
    for name, service in services(document):
        options = service.get("security_opt", [])
        if "no-new-privileges:true" not in options:
            yield f"{name}: may gain privileges"
        if any("unconfined" in option for option in options):
            yield f"{name}: has no profile"


def publishes_on_loopback(document: Document) -> Iterator[str]:
    """Nothing is open to the network that the machine is in."""
    for name, service in services(document):
        for port in service.get("ports", []):
            address = port.get("host_ip") or "0.0.0.0"
            if not ip_address(address).is_loopback:
                yield f"{name}: port {port['target']} is open on {address}"


def separates_networks(document: Document) -> Iterator[str]:
    """Services and tools share telemetry alone, which has no way out."""
    if not document["networks"].get("telemetry", {}).get("internal"):
        yield "telemetry is not internal"
    of_services: set[str] = set()
    of_tools: set[str] = set()
    for name, service in services(document):
        if service.get("network_mode") == "none":
            continue
        networks = set(service.get("networks", {"default": None}))
        if "default" in networks:
            yield f"{name}: is in the default network"
        is_tool = name == OWN_TOOL or service["image"] != _own_image(document)
        is_tool = is_tool and name != IN_FRONT
        (of_tools if is_tool else of_services).update(networks)
    shared = (of_services & of_tools) - {"default"}
    if shared != {"telemetry"}:
        yield f"services and tools share {', '.join(sorted(shared)) or 'nothing'}"


def pins_images(document: Document) -> Iterator[str]:
    """The same file runs the same programs next year."""
    for name, service in services(document):
        build = service.get("build", {}).get("args", {})
        bases = [str(image) for key, image in build.items() if key.endswith("IMAGE")]
        for image in (str(service.get("image", "")), *bases):
            match = _IMAGE.fullmatch(image)
            if match is None or "latest" in match["tag"] or not re.search(r"\d", match["tag"]):
                yield f"{name}: {image or 'its image'} is not pinned"


def has_no_obsolete_keys(document: Document) -> Iterator[str]:
    """Nothing that Compose only suffers, and no name that keeps a second project from running."""
    yield from (f"{key} is obsolete" for key in _OBSOLETE if key in document)
    for name, service in services(document):
        yield from (f"{name}: {key}" for key in _OBSOLETE_IN_SERVICES if key in service)


def holds_no_secrets(document: Document) -> Iterator[str]:
    """The environment is in `docker inspect`; it has the names of files."""
    for name, service in services(document):
        for variable, value in service.get("environment", {}).items():
            # A switch may be about secrets; it is none.
            if not _SECRET.search(variable.upper()) or str(value) in {"true", "false"}:
                continue
            if not variable.endswith("_FILE") or not str(value).startswith("/run/"):
                yield f"{name}: {variable} is no file below /run"


def waits_for_conditions(document: Document) -> Iterator[str]:
    """Who needs another waits until that one is ready, or has done its work."""
    for name, service in services(document):
        for other, dependency in service.get("depends_on", {}).items():
            wanted = "completed_successfully" if other == ONE_SHOT else "healthy"
            if dependency.get("condition") != f"service_{wanted}":
                yield f"{name}: does not wait until {other} is {wanted}"
            if not dependency.get("required", True):
                yield f"{name}: starts without {other}"


def writes_to_volumes_alone(document: Document) -> Iterator[str]:
    """Files of the checkout can be read; what is written has a named volume."""
    for name, service in services(document):
        for mount in service.get("volumes", []):
            target = mount["target"]
            if mount["type"] == "bind" and not mount.get("read_only"):
                yield f"{name}: {target} writes to the checkout"
            elif mount["type"] == "volume" and not mount.get("source"):
                yield f"{name}: {target} has no name"
            elif mount["type"] not in {"bind", "volume"}:
                yield f"{name}: {target} is a {mount['type']}"


def bounds_memory_file_systems(document: Document) -> Iterator[str]:
    """A tmpfs has a size, and nothing in it can be run."""
    for name, service in services(document):
        for mount in service.get("tmpfs", []):
            options = set(mount.partition(":")[2].split(","))
            missing = {"noexec", "nosuid", "nodev"} - options
            if missing or not any(option.startswith("size=") for option in options):
                yield f"{name}: {mount} lacks a size or {', '.join(sorted(missing))}"


RULES: Mapping[str, Check] = {
    "health-check": has_health_check,
    "restart": is_started_again,
    "limits": has_limits,
    "go-memory": collects_garbage_in_time,
    "log-rotation": rotates_logs,
    "stop-grace": may_finish,
    "numeric-user": runs_as_nobody,
    "read-only-root": has_read_only_root,
    "no-capabilities": has_no_capabilities,
    "no-host": is_shut_off_from_the_host,
    "no-engine-socket": is_not_given_the_engine,
    "no-new-privileges": gains_no_privileges,
    "loopback": publishes_on_loopback,
    "networks": separates_networks,
    "pinned-images": pins_images,
    "no-obsolete-keys": has_no_obsolete_keys,
    "no-secrets": holds_no_secrets,
    "conditions": waits_for_conditions,
    "mounts": writes_to_volumes_alone,
    "tmpfs": bounds_memory_file_systems,
}


def violations(document: Document) -> dict[str, list[str]]:
    """Return what is wrong by rule; rules that hold are left out."""
    found = {name: list(check(document)) for name, check in RULES.items()}
    return {name: lines for name, lines in found.items() if lines}


def seconds(duration: str) -> float:
    """Read a duration as Compose prints it, such as `1m30s`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    factors = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * factors[unit] for number, unit in parts)


def _own_image(document: Document) -> str:
    """What the services run; the containers that run another are tools."""
    return str(document["services"][ONE_SHOT]["image"])
