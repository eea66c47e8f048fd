"""The Deployments, and what belongs to each."""

from __future__ import annotations

import re

from stack.ops.kubernetes.objects import (
    CONTAINER_SECURITY,
    PART_OF,
    an_object,
    disruption_budget,
    named,
    pod_security,
    resources,
    spread,
)
from stack.ops.kubernetes.sources import LOADGEN, Object, Sources

_PORT_NAMES = {
    16686: "query",
    4317: "otlp-grpc",
    4318: "otlp-http",
    8888: "metrics",
    8889: "span-metrics",
}
# Compose's volumes of secrets, by the Secret that takes their place.
SECRETS = {"metrics-secrets": "stack-metrics-token", "faults-secrets": "stack-faults-token"}
STORAGE = {"inbox-data": "1Gi", "jaeger-data": "10Gi"}
# Until every node has heard that a pod goes, requests still arrive at it.
_DRAIN_SECONDS = 5


def port_name(port: int) -> str:
    """Return what a port is called in pods and Services; those of the services are `http`."""
    return _PORT_NAMES.get(port, "http")


def workload(sources: Sources, name: str) -> dict[str, Object]:
    """Return the objects of a service of Compose by their file names."""
    service = sources.services[name]
    pods = _mounts(service)
    stored = [volume for volume, _, _ in pods if volume in STORAGE]
    scaled = not stored and name != LOADGEN
    found = {
        "serviceaccount": an_object(
            "ServiceAccount", "v1", name, name, automountServiceAccountToken=False
        ),
        "deployment": _deployment(sources, name, scaled=scaled),
        "service": _service(sources, name),
    }
    if scaled:
        found["poddisruptionbudget"] = disruption_budget(name)
        found["horizontalpodautoscaler"] = _autoscaler(name)
    for volume in stored:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": STORAGE[volume]}},
        }
        claim = an_object("PersistentVolumeClaim", "v1", volume, name, spec=spec)
        found["persistentvolumeclaim"] = claim
    return found


def _deployment(sources: Sources, name: str, *, scaled: bool) -> Object:
    service = sources.services[name]
    grace = int(str(service["stop_grace_period"]).removesuffix("s")) + _DRAIN_SECONDS
    spec = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        # Their variables, such as JAEGER_PORT, have the names of settings.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": pod_security(service["user"]),
        "topologySpreadConstraints": spread(name),
        "containers": [_container(sources, name)],
        "volumes": _volumes(name, service),
    }
    # How many a scaled one has is the autoscaler's to say. One writer ends before the next begins.
    own = (
        {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}
        if scaled
        else {"replicas": 1, "strategy": {"type": "Recreate"}}
    )
    template = {"metadata": {"labels": {**named(name), **PART_OF}}, "spec": spec}
    whole = {**own, "selector": {"matchLabels": named(name)}, "template": template}
    return an_object("Deployment", "apps/v1", name, name, spec=whole)


def _container(sources: Sources, name: str) -> Object:
    service = sources.services[name]
    command = {"args" if name == "jaeger" else "command": list(service["command"])}
    ports = [{"name": port_name(p), "containerPort": p} for p in sources.ports(name)]
    environment = {
        key: str(value).replace("=compose", "=kubernetes")
        for key, value in service["environment"].items()
    }
    return {
        "name": name,
        "image": service["image"],
        **command,
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": ports,
        "resources": resources(service),
        "securityContext": CONTAINER_SECURITY,
        "lifecycle": {"preStop": {"sleep": {"seconds": _DRAIN_SECONDS}}},
        **_probes(service, environment),
        "volumeMounts": [
            {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}
            for volume, path, read_only in _mounts(service)
        ],
    }


def _probes(service: Object, environment: dict[str, str]) -> Object:
    check = service["healthcheck"]
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\S*)", str(check["test"][-1]))
    if asked:
        port, ready, alive = int(asked[1]), asked[2], asked[2]
    else:
        port = int(environment["PORT"])
        ready, alive = environment.get("HEALTH_PATH", "/readyz"), "/healthz"
    interval, patience = _seconds(check["interval"]), _seconds(check["start_period"])
    times = {"periodSeconds": interval, "timeoutSeconds": _seconds(check["timeout"])}

    def probe(path: str, failures: int) -> Object:
        return {"httpGet": {"path": path, "port": port}, **times, "failureThreshold": failures}

    return {
        "startupProbe": probe(ready, patience // interval),
        "readinessProbe": probe(ready, 2),
        "livenessProbe": probe(alive, int(check["retries"])),
    }


def _mounts(service: Object) -> list[tuple[str, str, bool]]:
    """Return each mount: the volume, where, and whether it is only read."""
    found = []
    for each in service.get("volumes", ()):
        source, path, *options = str(each).split(":")
        if "/" in source:
            found.append(("config", path, True))
        else:
            found.append((SECRETS.get(source, source), path, bool(options)))
    found += [("tmp", str(each).split(":")[0], False) for each in service.get("tmpfs", ())]
    return found


def _volumes(name: str, service: Object) -> list[Object]:
    found: list[Object] = []
    for volume, _, _ in _mounts(service):
        if volume == "tmp":
            size = re.search(r"size=(\d+)m", service["tmpfs"][0])
            limit = f"{size[1]}Mi" if size else "64Mi"
            found.append({"name": volume, "emptyDir": {"medium": "Memory", "sizeLimit": limit}})
        elif volume == "config":
            found.append({"name": volume, "configMap": {"name": f"{name}-config"}})
        elif volume in SECRETS.values():
            found.append({"name": volume, "secret": {"secretName": volume, "defaultMode": 0o440}})
        else:
            found.append({"name": volume, "persistentVolumeClaim": {"claimName": volume}})
    return found


def _service(sources: Sources, name: str) -> Object:
    ports = [
        {"name": port_name(port), "port": port, "targetPort": port_name(port)}
        for port in sources.ports(name)
    ]
    return an_object("Service", "v1", name, name, spec={"selector": named(name), "ports": ports})


def _autoscaler(name: str) -> Object:
    target = {"type": "Utilization", "averageUtilization": 70}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return an_object("HorizontalPodAutoscaler", "autoscaling/v2", name, name, spec=spec)


def _seconds(duration: str) -> int:
    return int(str(duration).removesuffix("s"))
