"""The exported objects meet the policy, and each rule of it finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stack.ops.kubernetes.sources import GRAFANA, Sources
from tests.kubernetes.objects import ROOT, Object, objects, of_kind
from tests.kubernetes.policy import RULES, violations, ways

Change = Callable[[dict[tuple[str, str], Object]], object]
GATEWAY = ("Deployment", "gateway")
GOSSIP = ("alertmanager", "alertmanager", 9094)


def pod(found: dict[tuple[str, str], Object]) -> Object:
    spec: Object = found[GATEWAY]["spec"]["template"]["spec"]
    return spec


def container(found: dict[tuple[str, str], Object]) -> Object:
    first: Object = pod(found)["containers"][0]
    return first


BAD: tuple[tuple[str, Change], ...] = (
    ("nobody", lambda f: pod(f)["securityContext"].pop("runAsNonRoot")),
    ("nobody", lambda f: pod(f)["securityContext"].pop("seccompProfile")),
    ("nobody", lambda f: f["Prometheus", "stack"]["spec"].pop("securityContext")),
    ("privileges", lambda f: container(f).pop("securityContext")),
    ("privileges", lambda f: container(f)["securityContext"].update(capabilities={})),
    ("privileges", lambda f: container(f)["securityContext"].pop("allowPrivilegeEscalation")),
    ("limits", lambda f: container(f)["resources"].pop("requests")),
    ("limits", lambda f: f["Alertmanager", "stack"]["spec"]["resources"].pop("limits")),
    ("probes", lambda f: container(f).pop("startupProbe")),
    ("probes", lambda f: container(f).pop("livenessProbe")),
    ("token", lambda f: pod(f).pop("automountServiceAccountToken")),
    ("token", lambda f: f["ServiceAccount", "llm"].update(automountServiceAccountToken=True)),
    ("images", lambda f: container(f).update(image="stack-services:latest")),
    ("images", lambda f: container(f).update(image="stack-services")),
    ("secrets", lambda f: f["Service", "llm"].update(kind="Secret")),
    ("selectors", lambda f: f.pop(GATEWAY)),
    ("selectors", lambda f: f["Service", "llm"]["spec"].update(selector={"app": "llm"})),
    ("references", lambda f: f.pop(("PersistentVolumeClaim", "inbox-data"))),
    ("references", lambda f: f.pop(("ServiceAccount", "gateway"))),
    ("references", lambda f: f.pop(("Service", "retrieval"))),
    ("references", lambda f: f["Service", "jaeger"]["spec"].update(ports=[{"port": 1}])),
    ("deny", lambda f: f.pop(("NetworkPolicy", "default-deny"))),
    ("deny", lambda f: f.pop(("NetworkPolicy", "llm"))),
    ("budgets", lambda f: f["HorizontalPodAutoscaler", "llm"]["spec"].update(minReplicas=1)),
    ("budgets", lambda f: f.pop(("PodDisruptionBudget", "llm"))),
)


def test_the_export_meets_the_policy() -> None:
    """Every rule, for every object."""
    assert violations(objects()) == {}


@pytest.mark.parametrize(("rule", "change"), BAD, ids=[f"{n}-{r}" for n, (r, _) in enumerate(BAD)])
def test_a_violation_is_found(rule: str, change: Change) -> None:
    """By the rule that it breaks."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects()}
    change(found)
    assert rule in violations(list(found.values()))


def test_every_rule_is_broken_once() -> None:
    """None of them is without its proof."""
    assert {rule for rule, _ in BAD} == set(RULES)


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_what_is_permitted_is_what_compose_permits(direction: str) -> None:
    """The same ways from either side; Grafana's pods have no policy here."""
    compose = {(way.source, way.target, way.port) for way in Sources(ROOT).ways}
    here = {way for way in compose if GRAFANA not in way[:2]}
    expected = (
        {way for way in compose if way[1] != GRAFANA}
        if direction == "Ingress"
        else {way for way in compose if way[0] != GRAFANA}
    )
    assert ways(objects(), direction) - {GOSSIP} == expected
    assert ("gateway", "retrieval", 8001) in here
    assert ("gateway", "inbox", 8003) not in here


def test_no_name_is_given_twice() -> None:
    """Of one kind."""
    names = [(each["kind"], each["metadata"]["name"]) for each in objects()]
    assert len(names) == len(set(names))
    assert {name for name, _ in of_kind(objects(), "HorizontalPodAutoscaler")} >= {
        *("gateway", "retrieval", "llm")
    }
