"""`docker compose up` without make, and what only its own volumes and networks can show."""

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from testcontainers.compose import DockerCompose

from stack.ops.docker.compose import Compose
from stack.ops.docker.engine import Engine
from stack.ops.docker.images import IMAGES, SERVICES
from stack.ops.ports import free_ports
from stack.ops.render import render
from tests.integration.conftest import (
    PORTS,
    ROOT,
    SPEED,
    compose_here,
    labelled,
    needs_images,
    until,
)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def compose() -> Compose:
    needs_images()
    return compose_here()


class Composed(DockerCompose):
    """Compose that leaves nothing of its project, also of what its services depend on."""

    def stop(self, down: bool = True) -> None:
        """Remove every container, network and volume; the original spares what it was not named."""
        options = ["--volumes", "--remove-orphans", "--timeout=20"]
        self._run_command([*self.compose_command_property, "down", *options])


@pytest.fixture(scope="module")
def official(compose: Compose) -> Iterator[dict[str, str]]:
    """Give the official names to images that were built here, as if they had been pulled.

    One that has its official name already was given it by a run that was killed.
    """
    named = compose.named_images
    given = [
        (image.built, named[image.variable])
        for image in IMAGES
        if image.built and _id(compose, named[image.variable]) in {"", _id(compose, image.built)}
    ]
    try:
        for built, name in given:
            compose.engine.run("tag", built, name)
        yield named
    finally:
        for _, name in given:
            if _id(compose, name):
                compose.engine.run("rmi", name)


def _id(compose: Compose, image: str) -> str:
    """Return the id of an image of this machine; nothing where it is not there."""
    if not compose.engine.has_image(image):
        return ""
    return compose.engine.run("image", "inspect", "--format={{.Id}}", image).strip()


@pytest.fixture(scope="module")
def config(
    compose: Compose, official: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The components' files with only the waiting times changed."""
    folder = tmp_path_factory.mktemp("config")
    without_grafana = not compose.engine.has_image(official["GRAFANA_IMAGE"])
    render(
        ROOT,
        folder,
        addresses={},
        secrets_dir=Path("/run/secrets"),
        speed=SPEED,
        left_out=["targets/grafana.yaml"] if without_grafana else [],
    )
    (folder / "jaeger").symlink_to(ROOT / "jaeger")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return free_ports(PORTS)


@pytest.fixture(scope="module")
def alone(
    compose: Compose,
    official: dict[str, str],
    config: Path,
    ports: dict[str, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DockerCompose]:
    """The real compose file, up once; only ports, waiting times and one disk's size differ."""
    folder = tmp_path_factory.mktemp("alone")
    project = f"stack-alone-{secrets.token_hex(4)}"
    settings = {
        "COMPOSE_PROJECT_NAME": project,
        "STACK_CONFIG_DIR": config,
        "PROMETHEUS_RESEND_DELAY": "1s",
        **ports,
    }
    env_file = folder / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    without_grafana = not compose.engine.has_image(official["GRAFANA_IMAGE"])
    with Composed(
        ROOT,
        compose_file_name=["compose.yaml", "tests/integration/compose.small-disk.yaml"],
        env_file=str(env_file),
        services=["loadgen", "prometheus", "jaeger"] if without_grafana else None,
        docker_command_path=_docker(compose, folder),
        wait=False,
    ) as running:
        yield running
    assert labelled(compose.engine, project) == []


def _docker(compose: Compose, folder: Path) -> str | None:
    """Return a `docker` that knows `compose`, where the machine's own does not."""
    (program, *rest) = compose.program
    if rest:
        return None
    wrapper = folder / "docker"
    wrapper.write_text(f'#!/bin/sh\nshift\nexec {program} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


def test_everything_becomes_healthy(alone: DockerCompose) -> None:
    """Images that have the official names are enough."""

    def unhealthy() -> dict[str | None, str | None]:
        found = alone.get_containers()
        return {each.Service: each.Health for each in found if each.Health != "healthy"}

    until(lambda: not unhealthy(), "all are healthy", deadline=120)
    assert {each.Service for each in alone.get_containers()} >= {
        "gateway",
        "retrieval",
        "llm",
        "inbox",
        "loadgen",
        "prometheus",
        "alertmanager",
        "jaeger",
    }


def test_up_runs_what_has_the_official_name(compose: Compose, official: dict[str, str]) -> None:
    """An image with the official name is taken before one that has the name of a built one."""
    chosen = {each.image: each.tag for each in compose_here().chosen if not each.missing}
    assert chosen == {image: official[image.variable] for image in chosen}


def test_an_answer_and_its_trace(alone: DockerCompose, ports: dict[str, int]) -> None:
    """The services reach each other, and Jaeger has all three in one trace."""
    asked = httpx.post(
        f"http://127.0.0.1:{ports['GATEWAY_PORT']}/ask",
        json={"question": "What is a span?"},
        timeout=10,
    ).json()
    url = f"http://127.0.0.1:{ports['JAEGER_QUERY_PORT']}/api/traces/{asked['trace_id']}"

    def services() -> set[str]:
        (trace,) = httpx.get(url).json()["data"] or [{"processes": {}}]
        return {each["serviceName"] for each in trace["processes"].values()}

    until(lambda: services() == {"gateway", "retrieval", "llm"}, "the trace of three services")


def test_nothing_listens_beyond_this_machine(
    alone: DockerCompose, compose: Compose, ports: dict[str, int]
) -> None:
    """Each published port answers on 127.0.0.1, and on no other address of this machine."""
    published = {
        publisher.PublishedPort
        for each in alone.get_containers()
        for publisher in each.Publishers
        if publisher.PublishedPort
    }
    assert published
    assert published <= set(ports.values())
    for port in published:
        assert _accepts("127.0.0.1", port)
        for address in _other_addresses():
            assert not _accepts(address, port), f"{address}:{port} is open"


def test_the_network_of_telemetry_has_no_way_out(alone: DockerCompose, compose: Compose) -> None:
    """Compose has made it internal, and what shares only it with the tools goes through it."""
    (gateway,) = [each for each in alone.get_containers() if each.Service == "gateway"]
    described = _networks(compose.engine, str(gateway.Project))
    assert described["telemetry"]["Internal"] is True
    members = {name: set(each["Containers"]) for name, each in described.items()}
    assert members["edge"].isdisjoint(members["desk"])
    assert members["edge"] <= members["telemetry"]
    assert members["desk"] <= members["telemetry"]


def test_no_secret_is_shown(alone: DockerCompose, compose: Compose) -> None:
    """None is in what the engine says of a container, nor in a log line."""
    kept = [
        alone.exec_in_container(["cat", place], "gateway")[0].strip()
        for place in ("/run/secrets/metrics_token", "/run/faults/faults_token")
    ]
    (project,) = {str(each.Project) for each in alone.get_containers()}
    kept.append(_grafanas_password(compose.engine, project))
    assert all(len(secret) > 30 for secret in kept)
    assert len(set(kept)) == len(kept)
    containers = [str(each.ID) for each in alone.get_containers(include_all=True)]
    shown = compose.engine.run("inspect", *containers) + "".join(alone.get_logs())
    assert [secret for secret in kept if secret in shown] == []


def _grafanas_password(engine: Engine, project: str) -> str:
    """Read it from its volume, for Grafana's image cannot be had everywhere."""
    volume = f"--volume={project}_grafana-secrets:/x:ro"
    reader = ["run", "--rm", "--network=none", "--read-only", volume, SERVICES]
    return engine.run(*reader, "cat", "/x/admin_password").strip()


@pytest.mark.parametrize("service", ["gateway", "loadgen", "prometheus", "alertmanager", "jaeger"])
def test_the_root_file_system_cannot_be_written(
    alone: DockerCompose, compose: Compose, service: str
) -> None:
    """Nor can anyone in the container become root."""
    container = str(alone.get_container(service).ID)
    command = (
        'touch /x 2>/dev/null && echo written; grep -E "^(Uid|CapEff|NoNewPrivs)" /proc/1/status'
    )
    shell = ["busybox", "sh"] if service in {"prometheus", "alertmanager", "jaeger"} else ["sh"]
    shown = subprocess.run(
        ["docker", "exec", container, *shell, "-c", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stdout
    status = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert "written" not in shown
    assert int(status["Uid"].split()[0]) >= 1000
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_a_full_disk_loses_no_alert(alone: DockerCompose, ports: dict[str, int]) -> None:
    """The inbox refuses what it cannot keep; when there is room again, it is sent again."""
    inbox = f"http://127.0.0.1:{ports['INBOX_PORT']}"
    prometheus = f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}"
    before = until(lambda: _alerts(inbox), "an alert is stored")
    fill = "dd if=/dev/zero of=/data/filler bs=64k 2>/dev/null; test -s /data/filler"
    alone.exec_in_container(["sh", "-c", fill], "inbox")
    body = _notification("FullDisk")
    answer = httpx.post(f"{inbox}/api/v2/alerts", json=body)
    assert answer.status_code in {503, 507}, answer.text
    assert "disk" in answer.text
    assert {each["fingerprint"] for each in _alerts(inbox)} >= {
        each["fingerprint"] for each in before
    }
    failed = 'sum(alertmanager_notifications_failed_total{integration="webhook"})'
    until(lambda: _value(prometheus, failed) > 0, "Alertmanager could not deliver", deadline=60)

    alone.exec_in_container(["rm", "/data/filler"], "inbox")
    assert httpx.post(f"{inbox}/api/v2/alerts", json=body).status_code == 200
    sent = {each["fingerprint"] for each in before}
    until(lambda: {each["fingerprint"] for each in _alerts(inbox)} > sent, "it is stored")


def _alerts(inbox: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{inbox}/api/alerts").json()["alerts"]
    return found


def _value(prometheus: str, expression: str) -> float:
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression}).json()
    return float(answer["data"]["result"][0]["value"][1])


def _notification(name: str) -> dict[str, Any]:
    """Make what Alertmanager would send."""
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "status": "firing",
        "receiver": "inbox",
        "externalURL": "http://localhost:9093",
        "truncatedAlerts": 0,
        "groupLabels": {"alertname": name},
        "commonLabels": {"alertname": name},
        "commonAnnotations": {},
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": name, "severity": "info"},
                "annotations": {"summary": "x" * 10_000},
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://localhost:9090",
                "fingerprint": "f" * 16,
            }
        ],
    }


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _other_addresses() -> set[str]:
    """Return this machine's addresses but for the loopback, the engine's bridges included."""
    own = {
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == socket.AF_INET and not each.address.startswith("127.")
    }
    assert own, "a machine with an engine has a bridge"
    return own


def _networks(engine: Engine, project: str) -> dict[str, dict[str, Any]]:
    names = [f"{project}_{name}" for name in ("edge", "desk", "telemetry")]
    described = json.loads(engine.run("network", "inspect", *names))
    return {each["Name"].removeprefix(f"{project}_"): each for each in described}
