"""What `kustomize build` gives is the files' whole, and as good as they are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.kustomize import built
from tests.kubernetes.objects import EXPORT, ROOT, Object, kustomization, objects, of_kind
from tests.kubernetes.policy import violations
from tests.kubernetes.references import dangling, texts
from tests.kubernetes.schemas import validate

pytestmark = pytest.mark.timeout(600)  # the first test may build Kustomize

BASE, SMALL = EXPORT / "base", EXPORT / "overlays" / "small"
# The load generator comes with a component.
ABSENT = {BASE: frozenset({"loadgen"}), SMALL: frozenset[str]()}
GUIDE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
Names = dict[tuple[str, str], Object]


def by_name(found: list[Object]) -> Names:
    """Return objects by kind and name, with the hash of their content cut off."""
    names = [
        (each["kind"], re.sub(r"^(jaeger-config)-\w{10}$", r"\1", each["metadata"]["name"]))
        for each in found
    ]
    assert len(names) == len(set(names)), "one is there twice"
    return dict(zip(names, found, strict=True))


def changes(before: Any, after: Any, path: str = "") -> dict[str, Any]:
    """Return what differs: the new values by their paths; None for what is missing."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        pairs = [(str(key), before.get(key), after.get(key)) for key in keys]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(str(n), a, b) for n, (a, b) in enumerate(zip(before, after, strict=True))]
    else:
        return {} if before == after else {path: after}
    found: dict[str, Any] = {}
    for key, one, other in pairs:
        found |= changes(one, other, f"{path}/{key}")
    return found


def differing(before: Names, after: Names) -> dict[str, dict[str, Any]]:
    """Return what differs in each object that differs."""
    assert before.keys() == after.keys()
    pairs = {" ".join(name): changes(before[name], after[name]) for name in before}
    return {name: each for name, each in pairs.items() if each}


@pytest.mark.parametrize("folder", [BASE, SMALL], ids=["base", "small"])
def test_the_api_takes_what_is_built(folder: Path) -> None:
    """Each object, by the same schemas as the files."""
    for each in built(folder):
        validate(each)


@pytest.mark.parametrize("folder", [BASE, SMALL], ids=["base", "small"])
def test_what_is_built_meets_the_policy(folder: Path) -> None:
    """As the files do; the one Secret is made of files, and small means one pod of each."""
    found = violations([each for each in built(folder) if each["kind"] != "Secret"])
    one_pod = {"budgets": [f"{name}: has one pod" for name in ("gateway", "llm", "retrieval")]}
    assert found == ({} if folder == BASE else one_pod)


@pytest.mark.parametrize("folder", [BASE, SMALL], ids=["base", "small"])
def test_every_name_leads_to_an_object(folder: Path) -> None:
    """In the same namespace."""
    assert dangling(built(folder), ABSENT[folder]) == set()


def test_the_base_is_the_files_and_nothing_else() -> None:
    """Each object once, as its file has it, in the namespace; and what the generators make."""
    found = by_name(built(BASE))
    (config,) = (name for name, _ in of_kind(built(BASE), "ConfigMap") if "jaeger" in name)
    expected = {
        (each["kind"], each["metadata"]["name"]): each
        for path in kustomization("base")["resources"]
        for each in [yaml.safe_load((BASE / path).read_text(encoding="utf-8"))]
    }
    made = {("ConfigMap", each["name"]) for each in kustomization("base")["configMapGenerator"]}
    made |= {("Secret", each["name"]) for each in kustomization("base")["secretGenerator"]}
    assert found.keys() == expected.keys() | made
    for (kind, name), each in expected.items():
        if kind != "Namespace":
            each["metadata"]["namespace"] = "stack"
        if kind == "RoleBinding":
            each["subjects"][0]["namespace"] = "stack"
        if (kind, name) == ("Deployment", "jaeger"):
            # A change of it restarts the pod.
            (volume,) = (v for v in each["spec"]["template"]["spec"]["volumes"] if "configMap" in v)
            volume["configMap"]["name"] = config
        assert found[kind, name] == each


def test_what_is_generated_has_the_files_bytes() -> None:
    """Each file in one place, under its own name."""
    made = by_name(built(BASE))
    generators = [("ConfigMap", each) for each in kustomization("base")["configMapGenerator"]]
    generators += [("Secret", each) for each in kustomization("base")["secretGenerator"]]
    for kind, each in generators:
        one = made[kind, each["name"]]
        assert list(one["data"]) == sorted(Path(path).name for path in each["files"])
        contents = [text for _, text in texts([one])]
        paths = sorted(each["files"], key=lambda path: Path(path).name)
        assert contents == [(BASE / path).read_text(encoding="utf-8") for path in paths]
        assert one["metadata"].get("labels") == each.get("options", {}).get("labels")


def test_the_small_overlay_changes_what_it_says() -> None:
    """The load generator comes along; how many pods there are, and nothing else."""
    small = by_name(built(SMALL))
    added = {
        (each["kind"], "loadgen") for each in objects() if each["metadata"]["name"] == "loadgen"
    }
    before = by_name(built(BASE))
    assert small.keys() - before.keys() == added
    rest = {name: each for name, each in small.items() if name not in added}
    scaler = {"/spec/minReplicas": 1, "/spec/maxReplicas": 2}
    assert differing(before, rest) == {
        **{f"HorizontalPodAutoscaler {name}": scaler for name in ("gateway", "llm", "retrieval")},
        "Prometheus stack": {"/spec/replicas": 1},
        "Alertmanager stack": {"/spec/replicas": 1},
    }


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Give a folder of a user's own, beside a copy of the export."""
    shutil.copytree(EXPORT, tmp_path / "kubernetes")
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def overlay(folder: Path, *blocks: str) -> list[Object]:
    """Return what is built of an overlay whose keys stand in some blocks; the last one counts."""
    parts = [yaml.safe_load(block) for block in blocks]
    whole = {key: value for part in parts for key, value in part.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    return built(folder)


def guide() -> tuple[str, str, str]:
    """Return the guide's overlay, what it adds for another namespace, and the command for that."""
    text = GUIDE.partition("## Change it")[2].partition("\n## ")[0]
    found = re.findall(r"^```(?:yaml|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    first, second, command = found
    return first, second, command.removeprefix("$ ")


def test_the_guides_overlay_changes_what_it_says(beside: Path) -> None:
    """The image of the services, how many pods of the gateway there are, and nothing else."""
    after = by_name(overlay(beside, guide()[0]))
    image = {"/spec/template/spec/containers/0/image": "registry.example.org/stack-services:0.1.0"}
    assert differing(by_name(built(BASE)), after) == {
        **{f"Deployment {name}": image for name in ("gateway", "inbox", "llm", "retrieval")},
        "HorizontalPodAutoscaler gateway": {"/spec/minReplicas": 3, "/spec/maxReplicas": 12},
    }


def test_another_namespace_is_one_everywhere(beside: Path) -> None:
    """With what the guide adds to its overlay, and its command."""
    first, second, command = guide()
    subprocess.run(["sh", "-euc", command], cwd=beside.parent, check=True)
    found = overlay(beside, first, second)
    assert [name for name, _ in of_kind(found, "Namespace")] == ["shop"]
    assert dangling(found, ABSENT[BASE]) == set()
    assert ".stack.svc" not in "".join(text for _, text in texts(found))
    for each in found:
        validate(each)


def test_without_that_the_data_sources_lead_elsewhere(beside: Path) -> None:
    """Which is why the guide says it; the rest follows the namespace by itself."""
    found = overlay(beside, guide()[0], "namespace: shop")
    names = ("alertmanager", "jaeger", "prometheus")
    assert dangling(found, ABSENT[BASE]) == {
        f"grafana-datasources: {name} is in another namespace" for name in names
    }


Change = Callable[[Names], object]


def pod(found: Names) -> Object:
    spec: Object = found["Deployment", "gateway"]["spec"]["template"]["spec"]
    return spec


def endpoint(found: Names) -> Object:
    first: Object = found["ServiceMonitor", "services"]["spec"]["endpoints"][0]
    return first


WRONG: dict[str, Change] = {
    "gateway: ServiceAccount gateway is": lambda f: f.pop(("ServiceAccount", "gateway")),
    "Prometheus: ServiceAccount prometheus": lambda f: f.pop(("ServiceAccount", "prometheus")),
    "jaeger: ConfigMap jaeger-config-": lambda f: f.pop(("ConfigMap", "jaeger-config")),
    "jaeger: PersistentVolumeClaim": lambda f: f.pop(("PersistentVolumeClaim", "jaeger-data")),
    "Alertmanager: Secret": lambda f: f.pop(("Secret", "alertmanager-config")),
    "Prometheus: Service alertmanager": lambda f: f.pop(("Service", "alertmanager")),
    "autoscaler gateway: Deployment": lambda f: f.pop(("Deployment", "gateway")),
    "binding prometheus: Role": lambda f: f.pop(("Role", "prometheus")),
    "binding prometheus: prometheus is in": lambda f: f["RoleBinding", "prometheus"]["subjects"][
        0
    ].pop("namespace"),
    "monitor services: Service llm is": lambda f: f.pop(("Service", "llm")),
    "policy gateway: Service retrieval": lambda f: f.pop(("Service", "retrieval")),
    "gateway: Secret other": lambda f: pod(f)["volumes"][0].update(secret={"secretName": "other"}),
    "monitor services: Secret other": lambda f: endpoint(f)["authorization"].update(
        credentials={"name": "other", "key": "metrics_token"}
    ),
    "monitor services: Service llm has no port web": lambda f: endpoint(f).update(port="web"),
    "grafana-datasources: Service jaeger has no": lambda f: f["Service", "jaeger"]["spec"].update(
        ports=[{"name": "http", "port": 1}]
    ),
    "Service llm: is in another": lambda f: f["Service", "llm"]["metadata"].pop("namespace"),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_name_that_leads_nowhere_is_found(line: str) -> None:
    """By who asks for it."""
    found = by_name(built(BASE))
    WRONG[line](found)
    lines = dangling(list(found.values()), ABSENT[BASE])
    assert any(each.startswith(line) for each in lines), lines
