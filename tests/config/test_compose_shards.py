"""The overlay of shards adds a second pair of Prometheus, and agrees with the overlay of pairs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.ops.scaffold.naming import RESERVED
from stack.ops.scale.ports import REPLICAS
from stack.ops.scale.shards import (
    PUBLISHED_SHARDED,
    SHARDED_PORTS,
    SHARDS,
    file_of,
    letters,
    prometheus_name,
    shard_of,
)
from tests.config.conftest import COMPOSE, ROOT, SCALE, VARIABLE
from tests.config.conftest import SHARDS as OVERLAY

LETTERS = letters(len(SHARDS))
FURTHER = {
    "rule": {"--rule-file=/etc/stack/thanos/generated/rules/*.rules.yml"},
    "query": {
        "--endpoint=sidecar-c:10901",
        "--endpoint=sidecar-d:10901",
    },
}


def overlay() -> dict[str, Any]:
    """Return the services as they stand in the file."""
    written = re.sub(r"!(reset|override)\b", "", OVERLAY.read_text())
    found: dict[str, Any] = yaml.safe_load(written)["services"]
    return found


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return what is mounted, by its place in the container."""
    return {each["target"]: each["source"] for each in service["volumes"]}


def test_whoever_is_scraped_runs(sharded_document: dict[str, Any]) -> None:
    """Each host of both shards' configurations, and in their network."""
    services = sharded_document["services"]
    hosts = {
        target.partition(":")[0]
        for shard in SHARDS
        for job in yaml.safe_load((ROOT / "thanos" / "generated" / file_of(shard)).read_text())[
            "scrape_configs"
        ]
        for group in job.get("static_configs", [])
        for target in group["targets"]
    }
    assert {*map(prometheus_name, LETTERS), *(f"sidecar-{each}" for each in LETTERS)} <= hosts
    assert hosts | set(REPLICAS) <= set(services)
    assert all("telemetry" in services[host]["networks"] for host in hosts)


def test_each_prometheus_reads_its_shards_file(sharded_document: dict[str, Any]) -> None:
    """In place of the pair's, under its own name as a replica."""
    for letter in LETTERS:
        service = sharded_document["services"][prometheus_name(letter)]
        source = Path(mounts(service)["/etc/prometheus/prometheus.yml"])
        assert source.relative_to(ROOT) == Path("thanos/generated") / file_of(shard_of(letter))
        assert service["environment"]["PROMETHEUS_REPLICA"] == letter


def test_they_differ_in_nothing_else_but_data_and_port(sharded_document: dict[str, Any]) -> None:
    """Each has a volume and a port of its own, and its sidecar that volume."""
    services = sharded_document["services"]
    data, published = set(), set()
    for letter in LETTERS:
        service = services[prometheus_name(letter)]
        own = {"volumes", "ports", "environment"}
        rest = {key: value for key, value in service.items() if key not in own}
        first = services["prometheus"].items()
        assert rest == {key: value for key, value in first if key not in own}
        volume = mounts(service)["/prometheus"]
        data.add(volume)
        published |= {(port["host_ip"], port["published"]) for port in service["ports"]}
        assert (
            mounts(services[f"sidecar-{letter}"])["/prometheus"] == mounts(service)["/prometheus"]
        )
    assert len(data) == len(published) == len(LETTERS)


@pytest.mark.parametrize("letter", LETTERS[1:])
def test_the_sidecars_are_those_of_the_pair(sharded_document: dict[str, Any], letter: str) -> None:
    """But for the Prometheus that they stand beside and wait for."""
    services = sharded_document["services"]
    first, other = services["sidecar-a"], services[f"sidecar-{letter}"]
    name = prometheus_name(letter)
    for key in first.keys() - {"command", "depends_on", "volumes"}:
        assert first[key] == other[key], key
    url = "--prometheus.url=http://{}:9090"
    assert other["command"] == [
        url.format(name) if each == url.format("prometheus") else each for each in first["command"]
    ]
    waits = {name if key == "prometheus" else key: how for key, how in first["depends_on"].items()}
    assert other["depends_on"] == waits


def test_what_is_said_again_is_said_in_full(
    scaled_document: dict[str, Any], sharded_document: dict[str, Any]
) -> None:
    """A command can only be given as a whole: nothing of the pair's is lost in it."""
    for name, before in scaled_document["services"].items():
        after = sharded_document["services"][name]
        assert set(after.get("command") or []) == set(before.get("command") or []) | FURTHER.get(
            name, set()
        )


def test_only_who_asks_and_judges_changes(
    scaled_document: dict[str, Any], sharded_document: dict[str, Any]
) -> None:
    """Every other service of the pairs is what it was."""
    changed = {
        name
        for name, before in scaled_document["services"].items()
        if sharded_document["services"][name] != before
    }
    assert changed == {*FURTHER, "prometheus", "prometheus-b"}
    rule = mounts(sharded_document["services"]["rule"])
    own = Path(rule["/etc/stack/thanos/generated/rules"])
    assert own.relative_to(ROOT) == Path("thanos/generated/rules")


def test_every_file_that_is_mounted_is_there(sharded_document: dict[str, Any]) -> None:
    """The engine would make a folder of one that is missing."""
    for name, service in sharded_document["services"].items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), f"{name}: {mount['source']}"


def test_ports_are_those_of_local_mode() -> None:
    """What the overlay publishes by a variable has the same default there."""
    known = dict(VARIABLE.findall(COMPOSE.read_text() + SCALE.read_text()))
    published = {
        name: int(default)
        for name, default in VARIABLE.findall(OVERLAY.read_text())
        if name.endswith("_PORT") and name not in known
    }
    assert published == {name: SHARDED_PORTS[name] for name in PUBLISHED_SHARDED}


def test_a_variable_of_the_pairs_has_the_same_default() -> None:
    """In all three files."""
    before = dict(VARIABLE.findall(COMPOSE.read_text() + SCALE.read_text()))
    here = dict(VARIABLE.findall(OVERLAY.read_text()))
    assert {name: here[name] for name in here.keys() & before.keys()} == {
        name: before[name] for name in here.keys() & before.keys()
    }


def test_no_service_of_yours_has_a_name_of_the_shards() -> None:
    """Compose would make one of both."""
    assert set(overlay()) <= RESERVED
