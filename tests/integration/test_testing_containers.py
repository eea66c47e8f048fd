"""The containers of `stack.testing` do what docs/testing.md says, and are gone afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from docker.errors import NotFound  # type: ignore[import-untyped]
from flask import Flask
from opentelemetry import trace
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.exceptions import ContainerStartException
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network
from werkzeug.serving import make_server

import stack
from stack.errors import OpsError
from stack.ops.docker import images
from stack.ops.docker.engine import Engine, find_engine
from stack.ops.ports import free_port
from stack.testing import (
    HOST,
    AlertmanagerContainer,
    JaegerContainer,
    PrometheusContainer,
    eventually,
)
from stack.testing.server import ServerContainer
from stack.testing.waiting import Answering
from tests.integration.conftest import ROOT
from tests.required import skip_containers

pytestmark = pytest.mark.timeout(180)

CLASSES = (PrometheusContainer, AlertmanagerContainer, JaegerContainer)
BUILT = {image.variable: image.built for image in images.IMAGES}
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs/testing.md").read_text("utf-8"), re.M | re.S
)
RULES = """
groups:
  - name: targets
    rules:
      - alert: TargetDown
        expr: up == 0
        for: 1s
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} does not answer"}
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    try:
        return find_engine(ROOT / ".run")
    except OpsError as error:
        skip_containers(f"containers: {error}")


@pytest.fixture(scope="module", autouse=True)
def chosen(engine: Engine) -> Iterator[dict[str, str]]:
    """Use the official images, or else those built here; skip where there are neither."""
    chosen = {}
    for each in CLASSES:
        here = [i for i in (each.IMAGE, BUILT[each.IMAGE_VARIABLE]) if i and engine.has_image(i)]
        if not here:
            skip_containers(
                f"containers: neither {each.IMAGE} nor {BUILT[each.IMAGE_VARIABLE]} is on this "
                "machine (`stack images` builds the latter)"
            )
        chosen[each.IMAGE_VARIABLE] = here[0]
    with pytest.MonkeyPatch.context() as patch:
        for variable, image in chosen.items():
            patch.setenv(variable, image)
        yield chosen


@pytest.fixture
def service() -> Iterator[int]:
    """Serve an instrumented application where containers reach it; give the port."""
    app = stack.instrument(Flask(__name__), service="orders")

    @app.get("/baskets/<int:basket>")
    def basket(basket: int) -> dict[str, str]:
        return {"trace_id": f"{trace.get_current_span().get_span_context().trace_id:032x}"}

    server = make_server("0.0.0.0", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()
    server.server_close()


def test_prometheus_scrapes_a_service_on_this_machine(service: int) -> None:
    """Its series are there with the labels asked for, its exemplars with the request's trace."""
    address = f"{HOST}:{service}"
    with PrometheusContainer(interval=0.5).with_scrape_target(
        address, {"job": "orders", "team": "shop"}
    ) as prometheus:
        answer = httpx.get(f"http://127.0.0.1:{service}/baskets/7").raise_for_status()
        route = '{http_route="/baskets/<int:basket>"}'
        (counted,) = eventually(
            lambda: prometheus.query(f"http_server_request_duration_seconds_count{route}"),
            "the request is counted",
        )
        exemplars = eventually(
            lambda: prometheus.exemplars(f"http_server_request_duration_seconds_bucket{route}"),
            "its exemplar is there",
        )
    assert counted["value"][1] == "1"
    assert {"job": "orders", "team": "shop", "instance": address}.items() <= (
        counted["metric"].items()
    )
    assert {each["labels"]["trace_id"] for each in exemplars} == {answer.json()["trace_id"]}
    assert exemplars[0]["series"]["team"] == "shop"


def test_what_prometheus_refuses_is_said() -> None:
    """The error has Prometheus' own reason."""
    with (
        PrometheusContainer() as prometheus,
        pytest.raises(httpx.HTTPStatusError, match=r"400 .*parse error"),
    ):
        prometheus.query("up{")


def test_whole_configurations_are_used(tmp_path: Path) -> None:
    """Given as a path or a text; rules lie where the documentation says."""
    (tmp_path / "prometheus.yml").write_text(
        "global: {external_labels: {site: here}, evaluation_interval: 500ms}\n"
        "rule_files: [/prometheus/rules-*.yml]\n"
    )
    (tmp_path / "first.yml").write_text(
        "groups: [{name: a, rules: [{record: one, expr: vector(1)}]}]"
    )
    second = "groups: [{name: b, rules: [{record: two, expr: vector(2)}]}]"
    prometheus = PrometheusContainer().with_config(tmp_path / "prometheus.yml")
    with prometheus.with_rules(tmp_path / "first.yml").with_rules(second):
        eventually(lambda: prometheus.query("one and on() two"), "both rules are evaluated")
        config = httpx.get(f"{prometheus.url}/api/v1/status/config").json()["data"]["yaml"]
    assert "site: here" in config

    receivers = "route: {receiver: team-shop}\nreceivers: [{name: team-shop}]\n"
    with AlertmanagerContainer().with_config(receivers) as alertmanager:
        alertmanager.post_alerts([{"labels": {"alertname": "DiskFull"}}])
        (alert,) = alertmanager.alerts()
    assert alert["receivers"] == [{"name": "team-shop"}]


def test_a_rule_fires_to_alertmanager() -> None:
    """In a network of their own; matchers choose, and a wrong one is refused with the reason."""
    with Network() as network:
        alertmanager = AlertmanagerContainer().with_network(network)
        prometheus = PrometheusContainer(interval=0.5).with_network(network).with_rules(RULES)
        prometheus.with_alertmanager("alertmanager:9093")
        prometheus.with_scrape_target("127.0.0.1:1", {"job": "orders"})
        with alertmanager.with_network_aliases("alertmanager"), prometheus:
            alertmanager.post_alerts(
                [{"labels": {"alertname": "DiskFull"}, "annotations": {"summary": "full"}}]
            )
            (alert,) = eventually(
                lambda: alertmanager.alerts('alertname="TargetDown"', 'severity="page"'), "it fires"
            )
            names = {each["labels"]["alertname"] for each in alertmanager.alerts()}
            with pytest.raises(httpx.HTTPStatusError, match=r"400 .*expected an operator"):
                alertmanager.alerts("a b")
    assert alert["labels"]["job"] == "orders"
    assert alert["annotations"]["summary"] == "127.0.0.1:1 does not answer"
    assert names == {"TargetDown", "DiskFull"}


PROGRAM = """
import stack
from stack.tracing import shutdown

stack.setup("orders")
with stack.get_otel_tracer().span_context("place order") as span:
    with stack.get_otel_tracer().span_context("charge"):
        pass
shutdown()
print(span.trace_id)
"""


def test_jaeger_takes_the_librarys_spans() -> None:
    """A trace that is not there is None; one that was exported is whole; a bad id is refused."""
    with JaegerContainer() as jaeger:
        assert jaeger.services() == []
        assert jaeger.trace("0" * 31 + "1") is None
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            jaeger.trace("no-id")
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp_endpoint}
        trace_id = python(PROGRAM, {**environment, "OTEL_TRACES_EXPORTER": "otlp"}).split()[-1]
        found = eventually(lambda: jaeger.trace(trace_id), "the trace has arrived")
        assert {each["operationName"] for each in found["spans"]} == {"place order", "charge"}
        assert jaeger.services() == ["orders"]


@pytest.mark.parametrize("container", CLASSES)
def test_it_is_hardened(container: Callable[[], ServerContainer]) -> None:
    """No root, no capabilities, nothing to write but its volume; the caller can change it."""
    with container() as running:
        about = described(running)
    assert about["Config"]["User"].split(":")[0] not in {"", "0", "root"}
    assert about["HostConfig"]["ReadonlyRootfs"]
    assert about["HostConfig"]["CapDrop"] == ["ALL"]
    assert about["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
    assert about["HostConfig"]["Binds"] is None
    with container().with_kwargs(read_only=False) as running:
        about = described(running)
    assert not about["HostConfig"]["ReadonlyRootfs"]
    assert about["HostConfig"]["CapDrop"] == ["ALL"]


def test_ports_are_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine is this machine's; a port that the caller chose stays as it is."""
    mode = ConnectionMode.docker_host
    monkeypatch.setattr(testcontainers_config, "connection_mode_override", mode)
    chosen = free_port()
    with JaegerContainer().with_bind_ports(4317, chosen) as jaeger:
        bound = described(jaeger)["NetworkSettings"]["Ports"]
        assert jaeger.url.startswith("http://127.0.0.1:")
        assert jaeger.services() == []
    assert bound["4317/tcp"][0]["HostPort"] == str(chosen)
    for port in ("16686/tcp", "4318/tcp", "13133/tcp"):
        assert [each["HostIp"] for each in bound[port]] == ["127.0.0.1"]


def test_one_that_ends_at_once_says_why() -> None:
    """Without waiting for the deadline, and it is removed."""
    container = PrometheusContainer().with_config("scrape: everything")
    began = time.monotonic()
    with pytest.raises(ContainerStartException, match="field scrape not found"):
        container.start()
    assert time.monotonic() - began < 30
    assert leftovers() == []


def test_one_that_is_not_ready_in_time_is_removed() -> None:
    """The error says what was asked."""
    container = AlertmanagerContainer()
    container.waiting_for(Answering(9093, "/nowhere").with_startup_timeout(1))
    with pytest.raises(TimeoutError, match="/nowhere: no 200 within 1 s"):
        container.start()
    assert leftovers() == []


def test_it_is_gone_with_its_data_when_the_body_raises() -> None:
    """The error is the body's own; a further `stop` does nothing."""
    container = PrometheusContainer()
    volumes: list[str] = []

    def body() -> None:
        with container:
            volumes.extend(each["Name"] for each in described(container)["Mounts"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert leftovers() == []
    (volume,) = volumes
    client = DockerClient().client
    with pytest.raises(NotFound):
        client.volumes.get(volume)
    client.close()
    container.stop()


UNSTOPPED = """
import os, sys
from stack.testing import AlertmanagerContainer

container = AlertmanagerContainer().start()
print(container.get_container_id())
sys.stdout.flush()
if os.fork() == 0:
    sys.exit()
os.wait()
assert container.alerts() == []
raise SystemExit(0)
"""


def test_it_is_gone_when_its_process_ends() -> None:
    """Though nobody stopped it; a forked child that ends before does it no harm."""
    container_id = python(UNSTOPPED, dict(os.environ)).split()[0]
    client = DockerClient().client
    with pytest.raises(NotFound):
        client.containers.get(container_id)
    client.close()


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_documents_examples_run_as_printed(number: int, tmp_path: Path) -> None:
    """Each is a test file of its own, and passes with every warning an error."""
    (tmp_path / "test_example.py").write_text(BLOCKS[number])
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "-rs")
    env = {name: value for name, value in os.environ.items() if name != "OTEL_TRACES_EXPORTER"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_example.py"],
        cwd=tmp_path,
        # This checkout's library, wherever the environment's own lies.
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def python(program: str, env: dict[str, str]) -> str:
    """Run a program to its end; return what it prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def described(container: ServerContainer) -> dict[str, Any]:
    """Return what the engine knows of a container."""
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    attributes: dict[str, Any] = wrapped.attrs
    return attributes


def leftovers() -> list[str]:
    """List the containers that this process has started and not removed, but for the reaper."""
    client = DockerClient().client
    mine = {"label": f"{LABEL_SESSION_ID}={SESSION_ID}"}
    try:
        return [str(each.name) for each in client.containers.list(all=True, filters=mine)]
    finally:
        client.close()
