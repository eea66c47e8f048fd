"""The files of a stack of pairs are made of those of the one machine, and agree with each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.errors import OpsError
from stack.ops import thanos
from stack.ops.binaries import Binaries
from stack.ops.components import Plan, components
from stack.ops.local import everything, write_files
from stack.ops.ports import DEFAULTS, default_ports, read_ports
from stack.ops.scale import files, programs
from stack.ops.scale.balancer import find_balancer
from stack.ops.scale.ports import REPLICAS, SCALED, replicas
from stack.ops.scale.prometheus import scaled
from stack.ops.scale.services import write_upstreams
from tests.required import skip_scaled

ROOT = Path(__file__).parents[2]
NOWHERE = Binaries(*[Path()] * 4)
ONE: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())


def plan_of(tmp_path: Path, **more: Any) -> Plan:
    return Plan(ROOT, tmp_path, {**default_ports(ROOT), **SCALED}, scale=True, **more)


def rendered(plan: Plan) -> Any:
    """Return the pair's configuration as local mode writes it."""
    write_files(plan)
    return yaml.safe_load((plan.config / "prometheus" / "prometheus.yml").read_text())


def targets(config: Any) -> list[str]:
    """List the addresses that stand in a configuration itself."""
    return [
        target
        for job in config["scrape_configs"]
        for group in job.get("static_configs", [])
        for target in group["targets"]
    ]


def test_the_committed_files_are_those_of_the_one_machine() -> None:
    """After a change: `make scaled`."""
    assert files.drift(ROOT) == []


def test_a_change_by_hand_is_found(tmp_path: Path) -> None:
    """Also a file that is left over."""
    source = "prometheus/prometheus.yml"
    (tmp_path / source).parent.mkdir(parents=True)
    (tmp_path / source).write_text((ROOT / source).read_text())
    assert [line.endswith("is missing") for line in files.drift(tmp_path)] == [True] * 3
    for path, text in files.expected(tmp_path).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert files.drift(tmp_path) == []
    (tmp_path / "thanos" / "generated" / "prometheus.yml").write_text("global: {}\n")
    (said,) = files.drift(tmp_path)
    assert "`make scaled`" in said


def test_all_but_objectives_is_judged_by_each_prometheus() -> None:
    """The patterns together match every rule file once, and none that is an objective's."""
    patterns = [Path(each).name for each in scaled(ONE, "dns")["rule_files"]]
    # Of Go's patterns these use a star and negated classes.
    matchers = [re.compile(each.replace(".", r"\.").replace("*", ".*")) for each in patterns]
    names = [path.name for path in (ROOT / "prometheus" / "rules").glob("*.rules.yml")]
    names += [f"{each}.rules.yml" for each in ("s", "sl", "slo", "shop", "slack", "slot")]
    for name in names:
        found = [each.pattern for each in matchers if each.fullmatch(name)]
        assert bool(found) is not name.startswith("slo-"), name


def test_both_replicas_differ_in_a_label_that_no_alert_has() -> None:
    """It tells their samples apart for Thanos; Alertmanager is told the same by both."""
    found = scaled(ONE, "dns")
    assert found["global"]["external_labels"]["replica"] == "${PROMETHEUS_REPLICA}"
    assert found["alerting"]["alert_relabel_configs"] == [
        {"regex": "replica", "action": "labeldrop"}
    ]
    assert ONE["global"]["external_labels"].keys() == {"stack"}


def test_each_container_of_a_service_is_a_target_of_its_own() -> None:
    """By the name of all, and no longer by the one entry in the file of the targets."""
    job = scaled(ONE, "dns")["scrape_configs"][0]
    assert [each["names"] for each in job["dns_sd_configs"]] == [[name] for name in REPLICAS]
    entries = yaml.safe_load((ROOT / "prometheus" / "targets" / "services.yaml").read_text())
    dropped = re.compile(job["relabel_configs"][0]["regex"])
    kept = {
        entry["labels"]["service"]
        for entry in entries
        if not any(dropped.fullmatch(target) for target in entry["targets"])
    }
    assert not kept & set(REPLICAS)
    assert "inbox" in kept


def test_nothing_of_the_one_machine_is_changed() -> None:
    """What is made of its files leaves them as they are."""
    before = yaml.safe_dump(ONE)
    scaled(ONE, "files")
    assert yaml.safe_dump(ONE) == before


def test_no_two_parts_have_one_port_and_every_variable_is_read(tmp_path: Path) -> None:
    """Also those of the stack itself."""
    ports = read_ports(ROOT, {"STORE_PORT": "12345"}, SCALED)
    assert ports["STORE_PORT"] == 12345
    assert len(set(ports.values())) == len(ports)
    assert not set(SCALED) & set(DEFAULTS)


def test_local_mode_renders_what_can_be_reached(tmp_path: Path) -> None:
    """Every target is on this machine, and every part of a pair is one."""
    plan = plan_of(tmp_path)
    config = rendered(plan)
    found = targets(config)
    assert all(target.startswith("127.0.0.1:") for target in found), found
    entries = yaml.safe_load((plan.config / "prometheus" / "targets" / "services.yaml").read_text())
    by_service = {entry["labels"]["service"]: entry["targets"] for entry in entries}
    for service in REPLICAS:
        assert by_service[service] == [plan.bind(port) for _, port in replicas(service)]
    (console,) = (each for each in everything(plan) if each.name == "console")
    assert console.environment["METRICS_URL"] == plan.url("QUERY_FRONTEND_PORT")


def test_every_part_has_a_name_a_port_and_data_of_its_own(tmp_path: Path) -> None:
    """No two write to one folder, and no two listen on one port."""
    plan = plan_of(tmp_path)
    found = everything(plan)
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    assert {each.name for each in components(plan, NOWHERE)} - set(REPLICAS) - {"jaeger"} <= set(
        names
    )
    healths = [each.health for each in found]
    assert len(set(healths)) == len(healths)
    kept = [
        option.partition("=")[2]
        for each in found
        for option in each.command
        if option.startswith(("--data-dir=", "--storage.path=", "--storage.tsdb.path="))
    ]
    assert len(set(kept)) == len(kept)


def test_the_balancer_knows_every_replica(tmp_path: Path) -> None:
    """In a file that Caddy reads as it does the committed one."""
    plan = plan_of(tmp_path)
    write_upstreams(plan)
    text = (plan.config / "caddy" / "upstreams.caddy").read_text()
    committed = (ROOT / "caddy" / "upstreams.caddy").read_text()
    snippets = re.compile(r"^\((\w+)\) \{", re.MULTILINE)
    assert sorted(snippets.findall(text)) == sorted(snippets.findall(committed))
    for service in REPLICAS:
        for _, port in replicas(service):
            assert plan.bind(port) in text


def test_caddy_reads_its_file(tmp_path: Path) -> None:
    """With the upstreams of containers, and with those of local mode."""
    try:
        program = find_balancer(ROOT / ".run", lambda _: None)
    except OpsError as error:
        skip_scaled(str(error))
    write_upstreams(plan := plan_of(tmp_path))
    for upstreams in ("upstreams.caddy", str(plan.config / "caddy" / "upstreams.caddy")):
        checked = subprocess.run(
            [program, "validate", "--config", ROOT / "caddy" / "Caddyfile"],
            env={"UPSTREAMS": upstreams, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr


def test_without_thanos_the_mend_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.delenv("STACK_BIN_DIR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match="`make thanos` builds it"):
        programs.find(tmp_path, print)


def test_thanos_is_pinned() -> None:
    """One version, with the sum of every module; no registry and no path of some machine."""
    build = ROOT / "thanos" / "build"
    module = (build / "go.mod").read_text()
    version = thanos.VERSION
    assert f"github.com/thanos-io/thanos {version}\n" in module
    assert "tool github.com/thanos-io/thanos/cmd/thanos\n" in module
    assert f"github.com/thanos-io/thanos {version} h1:" in (build / "go.sum").read_text()
    assert not re.search(r"=> *[./]|https?://|toolchain", module)
