"""Every name by which one object of a built whole asks for another leads to it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from tests.kubernetes.objects import Object, of_kind
from tests.kubernetes.policy import OPERATED, pods

# Made by hand, as docs/kubernetes.md says; of each, its one key.
BY_HAND = {"stack-metrics-token": "metrics_token", "stack-faults-token": "faults_token"}
# Grafana runs elsewhere; the cluster's DNS has another label.
ELSEWHERE = {"grafana", None}

Asked = Iterator[tuple[str, str, str]]


def dangling(found: list[Object], absent: frozenset[str] = frozenset()) -> set[str]:
    """Return one line for each name that leads to nothing.

    Args:
        found: the objects that are applied together.
        absent: services that may be missing, for they come with a component.
    """
    (namespace,) = (name for name, _ in of_kind(found, "Namespace"))
    there = {(each["kind"], each["metadata"]["name"]) for each in found}
    lines = {
        f"{each['kind']} {each['metadata']['name']}: is in another namespace"
        for each in found
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") != namespace
    }
    lines |= {
        f"{asker}: {kind} {name} is not there"
        for asker, kind, name in _asked(found)
        if (kind, name) not in there
        and not (kind == "Secret" and name in BY_HAND)
        and not (kind == "Service" and name in absent)
    }
    return lines | set(_subjects(found, namespace)) | set(_addresses(found, namespace))


def _asked(found: list[Object]) -> Asked:
    """Yield who asks for an object of which kind, by which name."""
    for ask in (_of_pods, _of_operated, _of_autoscalers, _of_bindings, _of_monitors, _of_policies):
        yield from ask(found)


def _of_pods(found: list[Object]) -> Asked:
    wanted = (
        ("configMap", "name", "ConfigMap"),
        ("secret", "secretName", "Secret"),
        ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
    )
    for name, pod in pods(found):
        yield name, "ServiceAccount", pod["serviceAccountName"]
        for volume in pod["volumes"]:
            yield from ((name, kind, volume[of][key]) for of, key, kind in wanted if of in volume)


def _of_operated(found: list[Object]) -> Asked:
    for _, each in of_kind(found, *OPERATED):
        spec, kind = each["spec"], each["kind"]
        secrets = [spec["configSecret"]] if "configSecret" in spec else []
        others = spec.get("alerting", {}).get("alertmanagers", ())
        yield kind, "ServiceAccount", spec["serviceAccountName"]
        yield from ((kind, "Secret", name) for name in [*secrets, *spec.get("secrets", ())])
        yield from ((kind, "Service", other["name"]) for other in others)


def _of_autoscalers(found: list[Object]) -> Asked:
    for name, each in of_kind(found, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        yield f"autoscaler {name}", target["kind"], target["name"]


def _of_bindings(found: list[Object]) -> Asked:
    for name, each in of_kind(found, "RoleBinding"):
        for other in (each["roleRef"], *each["subjects"]):
            yield f"binding {name}", other["kind"], other["name"]


def _of_monitors(found: list[Object]) -> Asked:
    for asker, services, endpoints in _monitors(found):
        yield from ((asker, "Service", service) for service in services)
        for endpoint in endpoints:
            if "authorization" in endpoint:
                yield asker, "Secret", endpoint["authorization"]["credentials"]["name"]


def _of_policies(found: list[Object]) -> Asked:
    for name, each in of_kind(found, "NetworkPolicy"):
        spec = each["spec"]
        entries = [*spec.get("ingress", ()), *spec.get("egress", ())]
        for peer in (p for entry in entries for p in (entry.get("from") or entry.get("to") or ())):
            service = peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name")
            if service not in ELSEWHERE:
                yield f"policy {name}", "Service", service


def _monitors(found: list[Object]) -> Iterator[tuple[str, list[str], list[Object]]]:
    """Yield each monitor with the services that it selects and its endpoints."""
    for name, each in of_kind(found, "ServiceMonitor"):
        (match,) = each["spec"]["selector"]["matchExpressions"]
        yield f"monitor {name}", match["values"], each["spec"]["endpoints"]


def _subjects(found: list[Object], namespace: str) -> Iterator[str]:
    for name, each in of_kind(found, "RoleBinding"):
        for subject in each["subjects"]:
            if subject.get("namespace") != namespace:
                yield f"binding {name}: {subject['name']} is in another namespace"


def _addresses(found: list[Object], namespace: str) -> Iterator[str]:
    """Look at the ports that are asked for, and at the namespace in an address."""
    ports = {
        name: {port[part] for port in each["spec"]["ports"] for part in ("name", "port")}
        for name, each in of_kind(found, "Service")
    }
    for asker, service, port in _ports_asked(found):
        if service in ports and port not in ports[service]:
            yield f"{asker}: Service {service} has no port {port}"
    for asker, service, other, _ in _urls(found):
        if other != namespace:
            yield f"{asker}: {service} is in another namespace"


def _ports_asked(found: list[Object]) -> Iterator[tuple[str, str, str | int]]:
    for asker, services, endpoints in _monitors(found):
        yield from ((asker, service, end["port"]) for service in services for end in endpoints)
    for _, each in of_kind(found, "Prometheus"):
        for other in each["spec"]["alerting"]["alertmanagers"]:
            yield "Prometheus", other["name"], other["port"]
    yield from ((asker, service, port) for asker, service, _, port in _urls(found))


def _urls(found: list[Object]) -> Iterator[tuple[str, str, str, int]]:
    for name, text in texts(found):
        for service, other, port in re.findall(r"http://([a-z-]+)\.([a-z0-9-]+)\.svc:(\d+)", text):
            yield name, service, other, int(port)


def texts(found: list[Object]) -> Iterator[tuple[str, str]]:
    """Yield what ConfigMaps and Secrets hold, each with the name of its object."""
    for name, each in of_kind(found, "ConfigMap"):
        yield from ((name, text) for text in each["data"].values())
    for name, each in of_kind(found, "Secret"):
        yield from ((name, base64.b64decode(text).decode()) for text in each["data"].values())
