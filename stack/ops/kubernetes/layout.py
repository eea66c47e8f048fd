"""Every file of the export, and the kustomizations that name them."""

from __future__ import annotations

from pathlib import Path

from stack.ops.kubernetes.monitoring import (
    alertmanager,
    alertmanager_config,
    monitors,
    prometheus,
    rule,
)
from stack.ops.kubernetes.network import deny, policy
from stack.ops.kubernetes.objects import HEADER, PART_OF, dump
from stack.ops.kubernetes.sources import LOADGEN, Object, Sources
from stack.ops.kubernetes.workloads import workload
from stack.ops.rule_files import ENDING

NAMESPACE = "stack"
_KUSTOMIZE = "kustomize.config.k8s.io/"
_JAEGER = ("config.yaml", "ui.json")


def texts(root: Path) -> dict[str, str]:
    """Return what is written, by paths below the destination.

    Args:
        root: the checkout.

    Raises:
        OpsError: one of its files is missing or wrong.
    """
    sources = Sources(root)
    files: dict[str, str] = {"base/namespace.yaml": dump(_namespace())}
    files["base/networkpolicy.yaml"] = dump(deny())
    for name in sources.workloads:
        folder = "components/loadgen" if name == LOADGEN else f"base/{name}"
        objects = {**workload(sources, name), "networkpolicy": policy(sources, name)}
        files |= {f"{folder}/{kind}.yaml": dump(each) for kind, each in objects.items()}
    for name, objects in (
        ("prometheus", prometheus(sources)),
        ("alertmanager", alertmanager(sources)),
    ):
        objects["networkpolicy"] = policy(sources, name)
        files |= {f"base/{name}/{kind}.yaml": dump(each) for kind, each in objects.items()}
    files |= {f"base/monitors/{name}.yaml": dump(each) for name, each in monitors(sources).items()}
    for path in sorted((root / "prometheus" / "rules").glob(f"*{ENDING}")):
        name = path.name.removesuffix(ENDING)
        files[f"base/rules/{name}.yaml"] = rule(name, sources.text(f"prometheus/rules/{path.name}"))
    resources = sorted(path.removeprefix("base/") for path in files if path.startswith("base/"))
    files |= _settings(sources)
    files["base/kustomization.yaml"] = dump(_base(resources, files))
    files |= _around(files)
    return dict(sorted(files.items()))


def _settings(sources: Sources) -> dict[str, str]:
    """Return the files that ConfigMaps and a Secret without secrets are made of."""
    files = {f"base/jaeger/config/{name}": sources.text(f"jaeger/{name}") for name in _JAEGER}
    files["base/jaeger/config/config.yaml"] = HEADER + files["base/jaeger/config/config.yaml"]
    files["base/alertmanager/config/alertmanager.yaml"] = alertmanager_config(sources)
    for path in sorted((sources.root / "alertmanager" / "templates").glob("*.tmpl")):
        files[f"base/alertmanager/config/{path.name}"] = sources.text(
            f"alertmanager/templates/{path.name}"
        )
    for path in sorted((sources.root / "grafana" / "dashboards").glob("*.json")):
        files[f"base/grafana/dashboards/{path.name}"] = sources.text(
            f"grafana/dashboards/{path.name}"
        )
    datasources = sources.text("grafana/provisioning/datasources/stack.yaml").replace(
        "${METRICS_URL}", "http://prometheus:9090"
    )
    for name in ("prometheus", "jaeger", "alertmanager"):
        datasources = datasources.replace(f"http://{name}:", f"http://{name}.{NAMESPACE}.svc:")
    # In a Grafana that others use, too: nothing of theirs is deleted, their default stays.
    datasources = datasources.replace("prune: true\n", "").replace(
        "isDefault: true", "isDefault: false"
    )
    files["base/grafana/datasources/stack.yaml"] = HEADER + datasources
    return files


def _base(resources: list[str], files: dict[str, str]) -> Object:
    def below(folder: str) -> list[str]:
        start = f"base/{folder}/"
        return [path.removeprefix("base/") for path in sorted(files) if path.startswith(start)]

    def for_grafana(name: str, kind: str, paths: list[str]) -> Object:
        options = {
            "disableNameSuffixHash": True,
            "labels": {kind: "1", **PART_OF},
            "annotations": {"grafana_folder": "Stack"},
        }
        return {"name": name, "files": paths, "options": options}

    return {
        "apiVersion": f"{_KUSTOMIZE}v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": resources,
        "configMapGenerator": [
            {"name": "jaeger-config", "files": below("jaeger/config")},
            for_grafana("grafana-datasources", "grafana_datasource", below("grafana/datasources")),
            *(
                for_grafana(f"dashboard-{Path(path).stem}", "grafana_dashboard", [path])
                for path in below("grafana/dashboards")
            ),
        ],
        # The operator reads it by this name, and reloads by itself.
        "secretGenerator": [
            {
                "name": "alertmanager-config",
                "files": below("alertmanager/config"),
                "options": {"disableNameSuffixHash": True, "labels": PART_OF},
            }
        ],
    }


def _around(files: dict[str, str]) -> dict[str, str]:
    """Return the load generator's component, and an overlay for one small node."""
    start = "components/loadgen/"
    parts = [path.removeprefix(start) for path in sorted(files) if path.startswith(start)]
    component = {
        "apiVersion": f"{_KUSTOMIZE}v1alpha1",
        "kind": "Component",
        "resources": parts,
    }

    def patch(kind: str, path: str, value: int, name: str) -> Object:
        target = {"kind": kind} | ({"name": name} if name else {})
        return {
            "target": target,
            "patch": f"- op: replace\n  path: {path}\n  value: {value}\n",
        }

    small = {
        "apiVersion": f"{_KUSTOMIZE}v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": ["../../base"],
        "components": ["../../components/loadgen"],
        "patches": [
            patch("HorizontalPodAutoscaler", "/spec/minReplicas", 1, ""),
            patch("HorizontalPodAutoscaler", "/spec/maxReplicas", 2, ""),
            patch("Prometheus", "/spec/replicas", 1, "stack"),
            patch("Alertmanager", "/spec/replicas", 1, "stack"),
        ],
    }
    return {
        f"{start}kustomization.yaml": dump(component),
        "overlays/small/kustomization.yaml": dump(small),
    }


def _namespace() -> Object:
    levels = ("enforce", "audit", "warn")
    labels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in levels}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {**PART_OF, **labels}},
    }
