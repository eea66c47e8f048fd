"""What the Prometheus Operator runs: Prometheus, Alertmanager, what is scraped, the rules."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import yaml

from stack.errors import OpsError
from stack.ops.kubernetes.objects import (
    HEADER,
    PART_OF,
    an_object,
    disruption_budget,
    named,
    pod_security,
    resources,
    spread,
)
from stack.ops.kubernetes.sources import GRAFANA, Object, Sources
from stack.ops.kubernetes.workloads import port_name

_API = "monitoring.coreos.com/v1"
_SELECTED = {"matchLabels": PART_OF}
_TEMPLATES = "templates: [templates/*.tmpl]"
_LIMITS = {
    "sample_limit": "sampleLimit",
    "label_limit": "labelLimit",
    "label_name_length_limit": "labelNameLengthLimit",
    "label_value_length_limit": "labelValueLengthLimit",
}


def prometheus(sources: Sources) -> dict[str, Object]:
    """Return Prometheus' objects by their file names."""
    config, options = sources.prometheus, _options(sources.services["prometheus"])
    whole, storage = config["global"], config["storage"]
    spec = {
        **_shared(sources, "prometheus", storage="5Gi"),
        "scrapeInterval": whole["scrape_interval"],
        "scrapeTimeout": whole["scrape_timeout"],
        "evaluationInterval": whole["evaluation_interval"],
        "externalLabels": whole["external_labels"],
        **{ours: whole[theirs] for theirs, ours in _LIMITS.items()},
        "retention": options["storage.tsdb.retention.time"],
        "retentionSize": options["storage.tsdb.retention.size"],
        "exemplars": {"maxSize": storage["exemplars"]["max_exemplars"]},
        "tsdb": {"outOfOrderTimeWindow": storage["tsdb"]["out_of_order_time_window"]},
        "otlp": {
            "promoteResourceAttributes": config["otlp"]["promote_resource_attributes"],
        },
        "rules": {"alert": {"resendDelay": options["rules.alert.resend-delay"]}},
        "ruleSelector": _SELECTED,
        "serviceMonitorSelector": _SELECTED,
        "alerting": {"alertmanagers": [{"name": "alertmanager", "port": "http"}]},
    }
    return {
        "prometheus": an_object("Prometheus", _API, "stack", "prometheus", spec=spec),
        **_around("prometheus", 9090),
        "role": an_object(
            "Role",
            "rbac.authorization.k8s.io/v1",
            "prometheus",
            "prometheus",
            rules=[
                {
                    "apiGroups": [""],
                    "resources": ["services", "endpoints", "pods"],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["get", "list", "watch"],
                },
            ],
        ),
        "rolebinding": an_object(
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            "prometheus",
            "prometheus",
            roleRef={
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "prometheus",
            },
            # Kustomize puts the namespace in; one that stands there stays in another one's overlay.
            subjects=[{"kind": "ServiceAccount", "name": "prometheus"}],
        ),
    }


def alertmanager(sources: Sources) -> dict[str, Object]:
    """Return Alertmanager's objects by their file names."""
    options = _options(sources.services["alertmanager"])
    interval = options["data.maintenance-interval"]
    spec = {
        **_shared(sources, "alertmanager", storage="1Gi"),
        "configSecret": "alertmanager-config",
        "additionalArgs": [{"name": "data.maintenance-interval", "value": interval}],
    }
    return {
        "alertmanager": an_object("Alertmanager", _API, "stack", "alertmanager", spec=spec),
        **_around("alertmanager", 9093),
    }


def alertmanager_config(sources: Sources) -> str:
    """Return Alertmanager's own file, with the place where the operator lays its templates.

    Raises:
        OpsError: the file does not name its templates as it did.
    """
    text = sources.text("alertmanager/alertmanager.yml")
    if text.count(_TEMPLATES) != 1:
        raise OpsError(f"alertmanager/alertmanager.yml: has to have the line {_TEMPLATES!r}")
    return HEADER + text.replace(_TEMPLATES, "templates: [/etc/alertmanager/config/*.tmpl]")


def monitors(sources: Sources) -> dict[str, Object]:
    """Return a ServiceMonitor for each job of prometheus.yml by its name; not for Grafana's."""
    return {
        job["job_name"]: _monitor(job, targets)
        for job, targets in sources.jobs
        if job["job_name"] != GRAFANA
    }


def _monitor(job: Object, targets: list[tuple[str, int]]) -> Object:
    name = job["job_name"]
    (port,) = {port_name(port) for _, port in targets}
    endpoint: Object = {
        "port": port,
        "relabelings": [
            {"targetLabel": "job", "replacement": name},
            {
                "sourceLabels": ["__meta_kubernetes_service_label_app_kubernetes_io_name"],
                "targetLabel": "service",
            },
        ],
    }
    if "authorization" in job:
        token = {"name": "stack-metrics-token", "key": "metrics_token"}
        endpoint["authorization"] = {"type": "Bearer", "credentials": token}
    hosts = [host for host, _ in targets]
    match = {"key": "app.kubernetes.io/name", "operator": "In", "values": hosts}
    spec = {"selector": {"matchExpressions": [match]}, "endpoints": [endpoint]}
    return an_object("ServiceMonitor", _API, name, name, spec=spec)


def rule(name: str, text: str) -> str:
    """Return a PrometheusRule around a rule file's own text, comments and templates as they are."""
    head = an_object("PrometheusRule", _API, name, "prometheus")
    return HEADER + yaml.safe_dump(head, sort_keys=False) + "spec:\n" + indent(text, "  ")


def _around(name: str, port: int) -> dict[str, Object]:
    ports = [{"name": "http", "port": port, "targetPort": "web"}]
    # Two replicas differ a little: who asks one goes on asking it.
    spec = {"selector": named(name), "ports": ports, "sessionAffinity": "ClientIP"}
    return {
        # Prometheus alone asks the cluster's API; the operator mounts its token.
        "serviceaccount": an_object(
            "ServiceAccount", "v1", name, name, automountServiceAccountToken=False
        ),
        "service": an_object("Service", "v1", name, name, spec=spec),
        "poddisruptionbudget": disruption_budget(name),
    }


def _shared(sources: Sources, name: str, *, storage: str) -> Object:
    service = sources.services[name]
    options = _options(service)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {
        "image": service["image"],
        "version": service["image"].rpartition(":")[2],
        "replicas": 2,
        "podMetadata": {"labels": PART_OF},
        "serviceAccountName": name,
        **({"automountServiceAccountToken": False} if name == "alertmanager" else {}),
        "externalUrl": options["web.external-url"],
        "enableFeatures": [options["enable-feature"]],
        "resources": resources(service),
        "securityContext": pod_security(service["user"]),
        "topologySpreadConstraints": spread(name),
        "storage": {"volumeClaimTemplate": {"spec": claim}},
    }


def _options(service: Object) -> dict[str, Any]:
    pairs = (str(each).removeprefix("--").partition("=") for each in service["command"])
    return {name: value for name, _, value in pairs}
