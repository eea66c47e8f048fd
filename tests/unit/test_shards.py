"""Two shards: every target is one's, none judges, and Thanos Ruler has all rules."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from stack.errors import OpsError
from stack.ops import local, modes, run_folder
from stack.ops.binaries import find_binaries
from stack.ops.cli import main
from stack.ops.commands import Progress
from stack.ops.components import Component, Plan
from stack.ops.docker import compose
from stack.ops.local import everything, write_files
from stack.ops.ports import DEFAULTS, default_ports, read_ports
from stack.ops.rule_files import FOLDER, rules_in
from stack.ops.scale import files
from stack.ops.scale.ports import SCALED
from stack.ops.scale.prometheus import scaled
from stack.ops.scale.shards import (
    SHARDED_PORTS,
    SHARDS,
    file_of,
    letters,
    prometheus_name,
    ruled,
    sharded,
)
from stack.ops.secrets import make_secrets
from stack.ops.thanos import find_thanos
from tests.required import skip_scaled

ROOT = Path(__file__).parents[2]
ONE: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
RULED = ROOT / "thanos" / "generated" / "rules"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A stack of two shards on this machine."""
    ports = {**default_ports(ROOT), **SCALED, **SHARDED_PORTS}
    return Plan(ROOT, tmp_path, ports, scale=True, shards=2, jaeger="jaeger")


@pytest.fixture
def rendered(plan: Plan) -> list[Path]:
    """The configuration of each shard as local mode writes it."""
    make_secrets(plan.secrets)
    write_files(plan)
    return [plan.config / "prometheus" / file_of(shard) for shard in SHARDS]


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The real one."""
    try:
        return find_binaries(ROOT / ".run", print).promtool
    except OpsError as error:
        pytest.skip(f"promtool: {error}")


def in_containers(shard: int) -> dict[str, Any]:
    """Return the committed configuration of a shard."""
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / "thanos" / "generated" / file_of(shard)).read_text()
    )
    return found


def options(component: Component, name: str) -> list[str]:
    """Return the values of one option in the order in which they stand."""
    return [each.partition("=")[2] for each in component.command if each.startswith(f"--{name}=")]


def scraped(promtool: Path, config: Path, job: str) -> tuple[set[str], set[str]]:
    """Return the addresses that Prometheus' discovery finds, and those that are kept of them."""
    ended = subprocess.run(
        [promtool, "check", "service-discovery", "--timeout=1s", config, job],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(ended.stdout) or []
    return (
        {each["discoveredLabels"]["__address__"] for each in found},
        {each["labels"]["__address__"] for each in found if each["labels"]},
    )


def test_promtool_accepts_what_each_shard_reads(promtool: Path, rendered: list[Path]) -> None:
    """As local mode renders it, with the file of the token that it names."""
    for path in rendered:
        ended = subprocess.run(
            [promtool, "check", "config", path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_target_is_one_shards(promtool: Path, rendered: list[Path]) -> None:
    """As Prometheus itself hashes and keeps them, in every job; each shard has some."""
    jobs = [job["job_name"] for job in yaml.safe_load(rendered[0].read_text())["scrape_configs"]]
    with ThreadPoolExecutor(8) as pool:
        first, second = (
            list(pool.map(lambda job, path=path: scraped(promtool, path, job), jobs))
            for path in rendered
        )
    kept: list[set[str]] = [set(), set()]
    for job, (listed, own), (also_listed, others) in zip(jobs, first, second, strict=True):
        assert listed or job == "grafana", job
        assert own & others == set(), job
        assert own | others == listed | also_listed, job
        kept[0] |= own
        kept[1] |= others
    assert all(len(each) >= 5 for each in kept)


@pytest.mark.parametrize("of", ["containers", "local"])
def test_each_shard_watches_the_prometheus_of_the_other(
    plan: Plan, rendered: list[Path], of: str
) -> None:
    """A shard that is away as a whole could not say so."""
    for number, own in ((1, ("a", "b")), (2, ("c", "d"))):
        path = rendered[number - 1]
        config = yaml.safe_load(path.read_text()) if of == "local" else in_containers(number)
        (job,) = (each for each in config["scrape_configs"] if each["job_name"] == "prometheus")
        names = [prometheus_name(each) for each in letters(2) if each not in own]
        ports = [f"{name}_PORT".upper().replace("-", "_") for name in names]
        expected = (
            [plan.bind(each) for each in ports]
            if of == "local"
            else [f"{each}:9090" for each in names]
        )
        assert job["static_configs"][0]["targets"] == expected
        assert "relabel_configs" not in job


def test_shards_differ_in_what_they_keep_and_say_which_they_are() -> None:
    """In the number that they keep, in their label and in whom they watch; they judge nothing."""
    first, second = (in_containers(shard) for shard in SHARDS)
    for shard, config in zip(SHARDS, (first, second), strict=True):
        assert config["global"]["external_labels"].pop("shard") == str(shard)
        assert not config.keys() & {"rule_files", "alerting"}
        for job in config["scrape_configs"]:
            if job["job_name"] == "prometheus":
                del job["static_configs"]
                continue
            *_, hashed, kept = job["relabel_configs"]
            assert hashed["action"] == "hashmod"
            assert hashed["modulus"] == len(SHARDS)
            assert kept["action"] == "keep"
            assert kept["source_labels"] == [hashed["target_label"]]
            assert kept.pop("regex") == str(shard - 1)
    assert first == second


def test_what_a_job_did_before_is_done_first() -> None:
    """The share is taken of the targets that the job has."""
    pair = scaled(ONE, "dns", 2)
    for before, after in zip(
        pair["scrape_configs"], sharded(pair, 1)["scrape_configs"], strict=True
    ):
        kept = before.get("relabel_configs", [])
        assert after.get("relabel_configs", [])[: len(kept)] == kept


def test_nothing_of_the_pair_is_changed() -> None:
    """What is made of its configuration leaves it as it is."""
    before = yaml.safe_dump(pair := scaled(ONE, "files", 2))
    sharded(pair, 2)
    assert yaml.safe_dump(pair) == before


def test_the_ruler_has_every_rule_of_the_one_machine() -> None:
    """The objectives' in one folder, all others in the other; each goes on with half an answer."""
    objectives = ROOT / "thanos" / "rules"
    own = {path.name for path in RULED.glob("*.yml")}
    theirs = {path.name for path in objectives.glob("*.yml")}
    assert own & theirs == set()
    assert own | theirs == {path.name for path in (ROOT / FOLDER).glob("*.rules.yml")}
    for path in (*RULED.glob("*.yml"), *objectives.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            assert group["partial_response_strategy"] == "warn", f"{path}: {group['name']}"


def test_a_rule_is_asked_as_prometheus_asks_it() -> None:
    """But for what a Prometheus knows of itself."""
    here = {each["alert"]: each for _, each in rules_in(ROOT / FOLDER) if "alert" in each}
    there = {each["alert"]: each for _, each in rules_in(RULED) if "alert" in each}
    different = {name for name, each in there.items() if each != here[name]}
    assert different == {"Watchdog", "PrometheusNotificationsFailing"}
    for name in different:
        assert {**there[name], "expr": ""} == {**here[name], "expr": ""}
    # It must fall silent where nothing is scraped, and be the same alert where something is.
    assert there["Watchdog"]["expr"] == "group(up)"


def test_the_rulers_copy_leaves_its_source_as_it_is() -> None:
    """Also its groups."""
    source = {"groups": [{"name": "one", "rules": [{"record": "a:b", "expr": "vector(1)"}]}]}
    before = yaml.safe_dump(source)
    assert ruled(source)["groups"][0]["partial_response_strategy"] == "warn"
    assert yaml.safe_dump(source) == before


def test_thanos_reads_the_rulers_rules() -> None:
    """By its own checker."""
    thanos = find_thanos(ROOT / ".run")
    if thanos is None:
        skip_scaled("no Thanos; `make thanos` builds it")
    ended = subprocess.run(
        [thanos, "tools", "rules-check", f"--rules={RULED}/*.rules.yml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("result=SUCCESS") == len(list(RULED.glob("*.rules.yml")))


def test_a_rule_that_changed_is_found(tmp_path: Path) -> None:
    """And one whose source is gone."""
    for source in (*ROOT.glob("prometheus/rules/w*.yml"), ROOT / "prometheus" / "prometheus.yml"):
        copied = tmp_path / source.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(source.read_text())
    sources = Path("grafana") / "provisioning" / "datasources" / "stack.yaml"
    (tmp_path / sources).parent.mkdir(parents=True)
    (tmp_path / sources).write_text((ROOT / sources).read_text())
    files.write(tmp_path)
    assert files.drift(tmp_path) == []
    watchdog = tmp_path / "prometheus" / "rules" / "watchdog.rules.yml"
    watchdog.write_text(watchdog.read_text().replace("severity: info", "severity: page"))
    (said,) = files.drift(tmp_path)
    assert said.startswith("thanos/generated/rules/watchdog.rules.yml")
    watchdog.unlink()
    (said,) = files.drift(tmp_path)
    assert "delete it" in said
    files.write(tmp_path)
    assert files.drift(tmp_path) == []


def test_each_prometheus_has_its_file_data_port_and_sidecar(plan: Plan) -> None:
    """Two read the one file, two the other; nothing is another's."""
    found = {each.name: each for each in everything(plan)}
    of_shard = {"a": 1, "b": 1, "c": 2, "d": 2}
    data = set()
    for letter, shard in of_shard.items():
        prometheus, sidecar = found[prometheus_name(letter)], found[f"sidecar-{letter}"]
        (config,) = options(prometheus, "config.file")
        assert Path(config) == plan.config / "prometheus" / file_of(shard)
        assert prometheus.environment["PROMETHEUS_REPLICA"] == letter
        assert options(prometheus, "storage.tsdb.path") == options(sidecar, "tsdb.path")
        (asked,) = options(sidecar, "prometheus.url")
        assert prometheus.health.startswith(asked)
        data |= {*options(sidecar, "tsdb.path")}
    assert len(data) == len(of_shard)


def test_thanos_asks_all_and_shows_no_shard(plan: Plan) -> None:
    """What a series is called does not depend on who scrapes it; the ruler has all rules."""
    found = {each.name: each for each in everything(plan)}
    query = found["query"]
    assert options(query, "query.replica-label") == ["replica", "shard"]
    served = {each for name in found for each in options(found[name], "grpc-address")}
    assert {*options(query, "endpoint")} == served - {*options(query, "grpc-address")}
    patterns = [
        Path(each).relative_to(plan.config / "thanos")
        for each in options(found["rule"], "rule-file")
    ]
    named = {path.name for pattern in patterns for path in (ROOT / "thanos").glob(str(pattern))}
    assert named == {path.name for path in (ROOT / FOLDER).glob("*.rules.yml")}


def test_without_shards_nothing_changes(plan: Plan) -> None:
    """A pair has the files, the rules and the Thanos that it had."""
    pair = replace(plan, shards=1)
    found = {each.name: each for each in everything(pair)}
    assert not found.keys() & {"prometheus-c", "prometheus-d", "sidecar-c", "sidecar-d"}
    assert [Path(each).name for each in options(found["prometheus"], "config.file")] == [
        "prometheus.yml"
    ]
    assert [Path(each).name for each in options(found["rule"], "rule-file")] == ["slo-*.rules.yml"]


def test_ports_of_shards_are_nobody_elses() -> None:
    """Every one can be changed."""
    ports = read_ports(ROOT, {"SIDECAR_D_PORT": "12345"}, {**SCALED, **SHARDED_PORTS})
    assert ports["SIDECAR_D_PORT"] == 12345
    assert not SHARDED_PORTS.keys() & {*DEFAULTS, *SCALED}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scale", "--shards", "3"), "SHARDS=3 is not valid: must be 1 or 2"),
        (("--scale", "--shards", "0"), "SHARDS=0 is not valid: must be 1 or 2"),
        (("--shards", "2"), "SHARDS=2 is not valid: must be 1, or 2 with SCALE=1"),
    ],
)
def test_another_number_of_shards_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Before anything is looked for; the message has the value and the mend."""
    ended = CliRunner().invoke(main, ["--run-dir", str(tmp_path), "up", *arguments])
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_for_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ports of both shards."""
    asked: list[Plan] = []

    def up(plan: Plan, progress: Progress) -> bool:
        asked.append(plan)
        raise OpsError("as far as here")

    monkeypatch.setattr(local, "up", up)
    monkeypatch.setattr(modes, "running_plan", lambda _: None)
    arguments = ["--run-dir", str(tmp_path), "up", "--mode=local", "--scale", "--shards=2"]
    ended = CliRunner().invoke(main, arguments)
    assert "as far as here" in ended.stderr
    (plan,) = asked
    assert (plan.scale, plan.shards) == (True, 2)
    assert SHARDED_PORTS.keys() <= plan.ports.keys()


@pytest.mark.parametrize("shards", SHARDS)
def test_containers_get_the_overlay_for_two_only(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    """It is laid over that of pairs, and under what is yours."""
    commands: list[list[str]] = []
    engine = SimpleNamespace(plugin=lambda *_: ("compose",))
    monkeypatch.setattr(compose, "find_engine", lambda _: engine)
    monkeypatch.setattr(compose, "run", lambda command, **_: commands.append(command))
    compose.Compose(replace(plan, shards=shards, mode="compose"), print).down()
    (command,) = commands
    files = [each.removeprefix("--file=") for each in command if each.startswith("--file=")]
    overlays = ["compose.scale.yaml", "compose.shards.yaml"][:shards]
    assert files[: shards + 1] == ["compose.yaml", *overlays]
    assert ("compose.shards.yaml" in files) == (shards == 2)


def test_what_runs_is_not_made_shards_of(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for shards while a pair runs is told what to do; shards that run go on."""
    pair = replace(plan, shards=1)
    monkeypatch.setattr(modes, "running_plan", lambda _: pair)
    with pytest.raises(OpsError, match="without shards; `make down` stops it first"):
        modes.decide(plan, "auto", print)
    monkeypatch.setattr(modes, "running_plan", lambda _: plan)
    assert modes.decide(pair, "auto", print).plan == plan


def test_shards_are_remembered(plan: Plan) -> None:
    """Other commands find what was started."""
    run_folder.save(plan)
    assert run_folder.load(plan.run_dir) == plan
