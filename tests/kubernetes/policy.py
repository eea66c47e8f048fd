"""What the exported objects have to keep to: one rule a function, all of them in `RULES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.kubernetes.objects import Object, of_kind

Rule = Callable[[list[Object]], Iterator[str]]
# Their pods are made by the operator, which hardens its containers itself.
OPERATED = ("Prometheus", "Alertmanager")
ELSEWHERE = {"grafana"}


def pods(found: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield the pod of each Deployment."""
    for name, each in of_kind(found, "Deployment"):
        yield name, each["spec"]["template"]["spec"]


def containers(found: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield each container of each Deployment."""
    for name, pod in pods(found):
        yield from ((name, container) for container in pod["containers"])


def runs_as_nobody(found: list[Object]) -> Iterator[str]:
    """A user by number, with the runtime's profile."""
    specs = [*pods(found), *((n, each["spec"]) for n, each in of_kind(found, *OPERATED))]
    for name, spec in specs:
        security = spec.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            yield f"{name}: may be root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name}: has no profile"


def has_no_privileges(found: list[Object]) -> Iterator[str]:
    """Nothing is written to the root, no capability is kept, none gained."""
    for name, container in containers(found):
        security = container.get("securityContext", {})
        if security.get("readOnlyRootFilesystem") is not True:
            yield f"{name}: its root can be written"
        if security.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name}: keeps capabilities"
        if security.get("allowPrivilegeEscalation") is not False:
            yield f"{name}: may gain privileges"


def has_limits(found: list[Object]) -> Iterator[str]:
    """Memory and time are bounded and asked for."""
    named = [*containers(found), *((n, each["spec"]) for n, each in of_kind(found, *OPERATED))]
    for name, each in named:
        given = each.get("resources", {})
        for part in ("requests", "limits"):
            if not {"cpu", "memory"} <= given.get(part, {}).keys():
                yield f"{name}: lacks {part}"


def has_probes(found: list[Object]) -> Iterator[str]:
    """Whether it has started, is ready, is alive."""
    for name, container in containers(found):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "httpGet" not in container.get(probe, {}):
                yield f"{name}: no {probe}"


def has_no_token(found: list[Object]) -> Iterator[str]:
    """No pod is given a token of the cluster's API; Prometheus' is the operator's doing."""
    for name, pod in pods(found):
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name}: its pod mounts a token"
        if pod.get("serviceAccountName") in {None, "default"}:
            yield f"{name}: uses the default account"
    for name, account in of_kind(found, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{name}: its account mounts a token"


def pins_images(found: list[Object]) -> Iterator[str]:
    """By a tag that says which."""
    named = [*containers(found), *((n, each["spec"]) for n, each in of_kind(found, *OPERATED))]
    for name, each in named:
        _, _, tag = each["image"].rpartition(":")
        if not any(letter.isdigit() for letter in tag) or "/" in tag:
            yield f"{name}: image {each['image']} is not pinned"


def holds_no_secret(found: list[Object]) -> Iterator[str]:
    """Secrets are made by hand; none stands in the files."""
    yield from (f"{name}: is a Secret with values" for name, _ in of_kind(found, "Secret"))


def selects_pods(found: list[Object]) -> Iterator[str]:
    """Budgets, policies, autoscalers and Services concern pods that there are."""
    known = _known(found)
    for name, each in of_kind(found, "PodDisruptionBudget", "NetworkPolicy", "Service"):
        spec = each["spec"]
        match = spec.get("podSelector", spec.get("selector", {}))
        wanted = match.get("matchLabels", match).get("app.kubernetes.io/name")
        if wanted not in known and match:
            yield f"{each['kind']} {name}: selects no pod"
    deployments = {name for name, _ in of_kind(found, "Deployment")}
    for name, each in of_kind(found, "HorizontalPodAutoscaler"):
        if each["spec"]["scaleTargetRef"]["name"] not in deployments:
            yield f"HorizontalPodAutoscaler {name}: scales nothing"


def refers_to_what_is_there(found: list[Object]) -> Iterator[str]:
    """Accounts, claims, and the Services that environments name, with their ports."""
    accounts = {name for name, _ in of_kind(found, "ServiceAccount")}
    claims = {name for name, _ in of_kind(found, "PersistentVolumeClaim")}
    for name, pod in pods(found):
        if pod.get("serviceAccountName") not in accounts:
            yield f"{name}: has no account"
        for volume in pod["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in claims:
                yield f"{name}: claim {claim} is not there"
    services = {
        name: {port["port"] for port in each["spec"]["ports"]}
        for name, each in of_kind(found, "Service")
    }
    for name, container in containers(found):
        for variable in container["env"]:
            for host, port in re.findall(r"^http://([a-z-]+):(\d+)", variable["value"]):
                if host != "localhost" and int(port) not in services.get(host, ()):
                    yield f"{name}: {variable['name']} leads to no Service"


def denies_first(found: list[Object]) -> Iterator[str]:
    """One policy for all pods permits nothing, and each service has its own."""
    policies = dict(of_kind(found, "NetworkPolicy"))
    expected = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if policies.get("default-deny", {}).get("spec") != expected:
        yield "default-deny: permits something, or is missing"
    yield from (f"{name}: has no policy" for name in sorted(_known(found) - policies.keys()))


def scales_what_it_protects(found: list[Object]) -> Iterator[str]:
    """What is scaled keeps two pods, and a drain leaves one of them."""
    budgets = {name for name, _ in of_kind(found, "PodDisruptionBudget")}
    for name, each in of_kind(found, "HorizontalPodAutoscaler"):
        if each["spec"]["minReplicas"] < 2:
            yield f"{name}: has one pod"
        if name not in budgets:
            yield f"{name}: has no budget"


RULES: dict[str, Rule] = {
    "nobody": runs_as_nobody,
    "privileges": has_no_privileges,
    "limits": has_limits,
    "probes": has_probes,
    "token": has_no_token,
    "images": pins_images,
    "secrets": holds_no_secret,
    "selectors": selects_pods,
    "references": refers_to_what_is_there,
    "deny": denies_first,
    "budgets": scales_what_it_protects,
}


def violations(found: list[Object]) -> dict[str, list[str]]:
    """Return what is wrong by rule; rules that hold are left out."""
    lines = {name: list(rule(found)) for name, rule in RULES.items()}
    return {name: each for name, each in lines.items() if each}


def ways(found: list[Object], direction: str) -> set[tuple[str, str, int]]:
    """Return the ways that policies permit between services: who, to whom, at which port."""
    peers = {"Ingress": "from", "Egress": "to"}[direction]
    permitted: set[tuple[str, str, int]] = set()
    for name, each in of_kind(found, "NetworkPolicy"):
        for entry in each["spec"].get(direction.lower(), ()):
            for peer in entry.get(peers, ()):
                other: Any = peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name")
                pair = (other, name) if direction == "Ingress" else (name, other)
                if other:
                    permitted |= {(*pair, port["port"]) for port in entry["ports"]}
    return permitted


def _known(found: list[Object]) -> set[str]:
    operated = {
        each["metadata"]["labels"]["app.kubernetes.io/name"]
        for _, each in of_kind(found, *OPERATED)
    }
    return {name for name, _ in of_kind(found, "Deployment")} | operated
