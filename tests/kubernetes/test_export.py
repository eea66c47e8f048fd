"""`stack export kubernetes`: what is committed is what it gives; others' files stay."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from stack.errors import OpsError
from stack.ops.binaries import find_binaries
from stack.ops.cli import main
from stack.ops.kubernetes import files
from stack.ops.kubernetes.layout import texts
from stack.ops.rule_files import rules_in
from stack.ops.scaffold.entries import entries
from tests.kubernetes.objects import EXPORT, ROOT, kustomization, objects, of_kind


def test_what_is_committed_is_what_is_given() -> None:
    """`make kubernetes` writes it anew."""
    assert files.drift(EXPORT, texts(ROOT)) == []


def test_a_change_by_hand_is_found(tmp_path: Path) -> None:
    """As is a file too many, or too few."""
    given = texts(ROOT)
    files.write(tmp_path, given)
    (tmp_path / "base/namespace.yaml").write_text("kind: Namespace\n")
    (tmp_path / "base/networkpolicy.yaml").unlink()
    (tmp_path / "mine.yaml").touch()
    found = {line.partition(":")[0] for line in files.drift(tmp_path, given)}
    assert found == {"base/namespace.yaml", "base/networkpolicy.yaml", "mine.yaml"}


def test_it_says_what_it_wrote_and_how_to_apply_it(tmp_path: Path) -> None:
    """And a second time writes over what it wrote."""
    for _ in range(2):
        ended = CliRunner().invoke(main, ["export", "kubernetes", str(tmp_path / "out")])
        assert ended.exit_code == 0, ended.output
        assert f"kubectl apply -k {tmp_path / 'out' / 'base'}" in ended.output
    assert files.drift(tmp_path / "out", texts(ROOT)) == []


def test_files_of_others_are_not_touched(tmp_path: Path) -> None:
    """They are named, with what to do."""
    (tmp_path / "mine.yaml").write_text("mine")
    ended = CliRunner().invoke(main, ["export", "kubernetes", str(tmp_path)])
    assert ended.exit_code == 1
    assert [each.name for each in tmp_path.iterdir()] == ["mine.yaml"]
    with pytest.raises(OpsError, match=r"did not write \(mine.yaml\); move them away"):
        files.write(tmp_path, {"base/a.yaml": ""})
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def test_what_is_given_no_more_is_deleted(tmp_path: Path) -> None:
    """Of what an earlier export wrote."""
    files.write(tmp_path, {"base/old/a.yaml": "", "base/kept.yaml": ""})
    files.write(tmp_path, {"base/kept.yaml": ""})
    assert not (tmp_path / "base/old").exists()
    assert (tmp_path / "base/kept.yaml").exists()


def test_every_file_that_is_named_is_there() -> None:
    """By the kustomizations' resources and generators; and none is left over."""
    named = {f"base/{path}" for path in kustomization("base")["resources"]}
    for kind in ("configMapGenerator", "secretGenerator"):
        named |= {f"base/{p}" for each in kustomization("base")[kind] for p in each["files"]}
    component = kustomization("components/loadgen")["resources"]
    named |= {f"components/loadgen/{path}" for path in component}
    written = {path for path in texts(ROOT) if not path.endswith("kustomization.yaml")}
    assert named == written


def test_every_alert_goes_along() -> None:
    """Each rule, as it stands in prometheus/rules."""
    exported = [
        rule
        for _, each in sorted(of_kind(objects(), "PrometheusRule"))
        for group in each["spec"]["groups"]
        for rule in group["rules"]
    ]
    there = [rule for _, rule in rules_in(ROOT / "prometheus" / "rules")]
    assert sorted(map(str, exported)) == sorted(map(str, there))
    assert "{{ $labels.service }}" in str(exported)


def test_promtool_takes_the_rules(tmp_path: Path) -> None:
    """As the operator gives them to Prometheus."""
    for name, each in of_kind(objects(), "PrometheusRule"):
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(each["spec"]))
    promtool = find_binaries(ROOT / ".run", print).promtool
    ended = subprocess.run(
        [promtool, "check", "rules", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_dashboards_are_the_same_bytes() -> None:
    """Each in a ConfigMap of less than 1 MiB, with the sidecar's label."""
    made = kustomization("base")["configMapGenerator"]
    of_dashboards = [each for each in made if each["name"].startswith("dashboard-")]
    paths = {path for each in of_dashboards for path in each["files"]}
    there = {path.name: path for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert {Path(path).name for path in paths} == set(there)
    for path in paths:
        data = (EXPORT / "base" / path).read_bytes()
        assert data == there[Path(path).name].read_bytes()
        assert len(data) < 2**20
    assert all(each["options"]["labels"]["grafana_dashboard"] == "1" for each in of_dashboards)


def test_an_added_service_is_exported(tmp_path: Path) -> None:
    """With what `make new-service` writes, and nothing else."""
    for name in ("prometheus", "alertmanager", "jaeger", "grafana"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    for entry in entries("orders", 8010):
        if (tmp_path / entry.path).is_file():
            path = tmp_path / entry.path
            path.write_text(entry.put_in(path.read_text()))
    given = texts(tmp_path)
    assert "base/orders/horizontalpodautoscaler.yaml" in given
    assert "- orders" in given["base/monitors/services.yaml"]
    policy = yaml.safe_load(given["base/orders/networkpolicy.yaml"])["spec"]
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8010}]
