"""The overlay of pairs changes what it has to, and agrees with local mode and its own files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from stack.ops.cassandra import cassandra
from stack.ops.components import Plan
from stack.ops.scaffold.naming import RESERVED
from stack.ops.scale.ports import PUBLISHED, REPLICAS, SCALED
from stack.ops.scale.prometheus import THANOS, scaled
from tests.config.conftest import COMPOSE, ROOT, SCALE, VARIABLE


def targets(config: dict[str, Any]) -> set[str]:
    """Return the hosts that the pair's Prometheus scrape, as far as they stand in its file."""
    return {
        target.partition(":")[0]
        for job in config["scrape_configs"]
        for group in job.get("static_configs", [])
        for target in group["targets"]
    }


def test_whoever_is_scraped_runs(scaled_document: dict[str, Any]) -> None:
    """Each host of the pair's configuration is a service of both files, and in their network."""
    config = scaled(yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text()), "dns")
    services = scaled_document["services"]
    hosts = targets(config) | set(REPLICAS)
    assert hosts <= set(services)
    assert all("telemetry" in services[host]["networks"] for host in hosts)
    assert set(THANOS) <= hosts


def test_only_the_balancer_has_the_services_ports(scaled_document: dict[str, Any]) -> None:
    """Several containers cannot have one port of this machine."""
    services = scaled_document["services"]
    for name in REPLICAS:
        assert services[name].get("ports", []) == []
        assert services[name]["deploy"]["replicas"] >= 2
    published = [
        (port["host_ip"], port["published"])
        for service in services.values()
        for port in service.get("ports", [])
    ]
    assert len(set(published)) == len(published)


def test_a_pair_differs_in_its_label_its_data_and_its_port(
    scaled_document: dict[str, Any],
) -> None:
    """And in nothing else."""
    for one, other in (("prometheus", "prometheus-b"), ("alertmanager", "alertmanager-b")):
        first, second = (scaled_document["services"][name] for name in (one, other))
        assert first["command"] == second["command"]
        assert first["image"] == second["image"]
        for key in ("user", "cap_drop", "read_only", "deploy", "healthcheck", "networks"):
            assert first.get(key) == second.get(key), key

        def data(service: dict[str, Any]) -> list[str]:
            return [
                mount["source"]
                for mount in service["volumes"]
                if mount["type"] == "volume" and mount["source"].endswith("-data")
            ]

        assert len(data(first)) == len(data(second)) == 1
        assert data(first) != data(second)
    replicas = [
        scaled_document["services"][name]["environment"]["PROMETHEUS_REPLICA"]
        for name in ("prometheus", "prometheus-b")
    ]
    assert replicas == ["a", "b"]


def test_grafana_and_the_console_ask_thanos_by_one_variable(
    document: dict[str, Any], scaled_document: dict[str, Any]
) -> None:
    """Jaeger, too; of the one machine all three ask its Prometheus."""
    names = {"grafana": "METRICS_URL", "console": "METRICS_URL", "jaeger": "PROMETHEUS_URL"}
    for found, url in (
        (document, "http://prometheus:9090"),
        (scaled_document, "http://query-frontend:10902"),
    ):
        asked = {found["services"][name]["environment"][key] for name, key in names.items()}
        assert asked == {url}
    assert SCALE.read_text().count("METRICS_URL:-") == COMPOSE.read_text().count("METRICS_URL:-")
    assert SCALE.read_text().count("METRICS_URL:-") == 1


def test_only_jaeger_comes_near_cassandra(scaled_document: dict[str, Any]) -> None:
    """It asks nobody who he is."""
    services = scaled_document["services"]
    beside = {name for name, each in services.items() if "spans" in each.get("networks", {})}
    assert beside == {"cassandra", "collector-a", "collector-b", "jaeger"}
    assert set(services["cassandra"]["networks"]) == {"spans"}
    assert services["cassandra"].get("ports", []) == []


def test_both_collectors_are_the_same(scaled_document: dict[str, Any]) -> None:
    """And a file is there for each way of sampling."""
    first, second = (scaled_document["services"][f"collector-{each}"] for each in "ab")
    assert {**first, "depends_on": {}} == {**second, "depends_on": {}}
    for way in ("head", "tail"):
        assert (ROOT / "jaeger" / f"sampling-{way}.yaml").is_file()
    assert "/etc/jaeger/sampling-head.yaml" in first["command"]


def test_who_reads_waits_for_as_many_copies_as_who_writes(
    scaled_document: dict[str, Any],
) -> None:
    """Otherwise what was written may not be found."""
    services = scaled_document["services"]
    name = "CASSANDRA_CONSISTENCY"
    assert name in (ROOT / "jaeger" / "query.yaml").read_text()
    found = {services[each]["environment"][name] for each in ("jaeger", "collector-a")}
    assert len(found) == 1
    assert SCALE.read_text().count(f"{{{name}:-") == 1


def test_cassandra_runs_as_in_local_mode(scaled_document: dict[str, Any], tmp_path: Path) -> None:
    """With the same files and the same program; only the places differ."""
    ports = dict.fromkeys(("CASSANDRA_PORT", "CASSANDRA_STORAGE_PORT", "CASSANDRA_METRICS_PORT"), 1)
    local = cassandra(Plan(ROOT, tmp_path, ports), Path("lib")).command
    command = scaled_document["services"]["cassandra"]["command"]
    assert command[-1] == local[-1]

    def files(parts: Sequence[str]) -> set[str]:
        found = (Path(part.lstrip("@").rpartition("=")[2]).name for part in parts)
        return {name for name in found if (ROOT / "cassandra" / name).is_file()}

    # What Prometheus asks for is an addition that the official image does not have.
    assert files(command) == {"jvm.options", "cassandra.yaml", "logback.xml"}
    assert files(local) == files(command) | {"metrics.yaml"}
    heap = re.search(r"-Xmx(\d+)m", (ROOT / "cassandra" / "jvm.options").read_text())
    limit = scaled_document["services"]["cassandra"]["deploy"]["resources"]["limits"]["memory"]
    assert heap is not None
    assert 2 * int(heap[1]) * 2**20 < int(limit)


def test_the_bucket_is_that_of_all_that_read_or_write_it(scaled_document: dict[str, Any]) -> None:
    """Its server has the keys that they have, and nobody else does."""
    services = scaled_document["services"]
    holders = {
        name
        for name, each in services.items()
        for mount in each.get("volumes", [])
        if mount["target"] == "/run/bucket" and mount["source"] == "bucket-secrets"
    }
    users = {"sidecar-a", "sidecar-b", "store", "compact", "rule"}
    assert holders == users | {"bucket", "secrets"}
    for name in users:
        assert "bucket" in services[name]["networks"]
        assert services[name]["environment"]["BUCKET_ENDPOINT"] == "bucket:7070"


def test_every_file_that_is_mounted_is_there(scaled_document: dict[str, Any]) -> None:
    """The engine would make a folder of one that is missing."""
    for name, service in scaled_document["services"].items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), f"{name}: {mount['source']}"


def test_ports_are_those_of_local_mode() -> None:
    """What the overlay publishes by a variable has the same default there."""
    defaults = dict(VARIABLE.findall(SCALE.read_text()))
    one = dict(VARIABLE.findall(COMPOSE.read_text()))
    published = {
        name: int(default)
        for name, default in defaults.items()
        if name.endswith("_PORT") and name not in one
    }
    assert published == {name: SCALED[name] for name in PUBLISHED}


def test_the_overlay_repeats_no_service() -> None:
    """What it does not change it does not name; a service of the one machine keeps its image."""
    overlay = yaml.load(
        re.sub(r"!(reset|override)\b", "", SCALE.read_text()), Loader=yaml.SafeLoader
    )["services"]
    for name in yaml.safe_load(COMPOSE.read_text())["services"].keys() & overlay.keys():
        assert not overlay[name].keys() & {"image", "user", "read_only", "cap_drop"}, name


def test_what_is_said_again_is_said_in_full(
    document: dict[str, Any], scaled_document: dict[str, Any]
) -> None:
    """A command can only be given as a whole: nothing of the one machine's is lost in it."""
    further = {
        "prometheus": {
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
        },
        "alertmanager": {
            "--cluster.listen-address=0.0.0.0:9094",
            "--cluster.peer=alertmanager:9094",
            "--cluster.peer=alertmanager-b:9094",
        },
    }
    for name, options in further.items():
        one = set(document["services"][name]["command"]) - {"--cluster.listen-address="}
        assert set(scaled_document["services"][name]["command"]) == one | options


def test_no_service_of_yours_has_a_name_of_the_pairs() -> None:
    """Compose would make one of both."""
    written = re.sub(r"!(reset|override)\b", "", SCALE.read_text())
    assert set(yaml.safe_load(written)["services"]) <= RESERVED
