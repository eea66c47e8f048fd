"""Who may reach whom: nothing, but for the ways that the files name."""

from __future__ import annotations

from collections import defaultdict

from stack.ops.kubernetes.objects import an_object, named
from stack.ops.kubernetes.sources import GRAFANA, Object, Sources

_API = "networking.k8s.io/v1"
_DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
# Prometheus finds its targets there; where the server lies differs between clusters.
_API_SERVER = {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]}
# Replicas of Alertmanager tell each other what they have sent.
_GOSSIP = [{"protocol": "TCP", "port": 9094}, {"protocol": "UDP", "port": 9094}]


def deny() -> Object:
    """Return the policy by which no pod of the namespace reaches or is reached."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return an_object("NetworkPolicy", _API, "default-deny", "stack", spec=spec)


def policy(sources: Sources, name: str) -> Object:
    """Return what a service's pods may reach, and who may reach them."""
    incoming: dict[str, list[int]] = defaultdict(list)
    outgoing: dict[str, list[int]] = defaultdict(list)
    for way in sources.ways:
        if way.target == name:
            incoming[way.source].append(way.port)
        if way.source == name:
            outgoing[way.target].append(way.port)
    ingress: list[Object] = [
        {"from": [_pods(other)], "ports": _tcp(ports)} for other, ports in incoming.items()
    ]
    egress: list[Object] = [
        _DNS,
        *({"to": [_pods(other)], "ports": _tcp(ports)} for other, ports in outgoing.items()),
    ]
    if name == "prometheus":
        egress.append(_API_SERVER)
    if name == "alertmanager":
        peers = [_pods(name)]
        ingress.append({"from": peers, "ports": _GOSSIP})
        egress.append({"to": peers, "ports": _GOSSIP})
    spec = {
        "podSelector": {"matchLabels": named(name)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
    return an_object("NetworkPolicy", _API, name, name, spec=spec)


def _pods(name: str) -> Object:
    # Grafana is not part of this: it runs in a namespace of its own.
    elsewhere: Object = {"namespaceSelector": {}} if name == GRAFANA else {}
    return {**elsewhere, "podSelector": {"matchLabels": named(name)}}


def _tcp(ports: list[int]) -> list[Object]:
    return [{"protocol": "TCP", "port": port} for port in sorted(ports)]
