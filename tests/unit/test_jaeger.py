"""Jaeger is found, built or done without; its files agree with each other and with local mode."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.errors import ConfigurationError, OpsError
from stack.ops import local
from stack.ops.binaries import Binaries
from stack.ops.components import Component, Plan, components, jaeger_environment
from stack.ops.jaeger import MODULE_VERSION, build_jaeger, check_config, find_jaeger
from stack.ops.ports import DEFAULTS, ONLY_WITH_JAEGER

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "jaeger" / "config.yaml"
BUILD = ROOT / "jaeger" / "build"


def program(path: Path, script: str = "exit 0") -> Path:
    """Put a shell script there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_on_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STACK_BIN_DIR", raising=False)
    monkeypatch.delenv("STACK_JAEGER", raising=False)
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")


def test_what_was_built_is_used_before_what_is_on_path(tmp_path: Path) -> None:
    """Without either there is none, and nothing is fetched."""
    assert find_jaeger(tmp_path) is None
    on_path = program(tmp_path / "path" / "jaeger")
    assert find_jaeger(tmp_path) == on_path
    built = program(tmp_path / "bin" / "jaeger")
    assert find_jaeger(tmp_path) == built


def test_the_embedded_store_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable, whatever is there; another word is refused with those that are allowed."""
    program(tmp_path / "bin" / "jaeger")
    monkeypatch.setenv("STACK_JAEGER", "embedded")
    assert find_jaeger(tmp_path) is None
    monkeypatch.setenv("STACK_JAEGER", "never")
    with pytest.raises(ConfigurationError, match="auto, embedded"):
        find_jaeger(tmp_path)


def test_building_places_the_program_at_once_or_not_at_all(tmp_path: Path) -> None:
    """Into the folder where it is looked for, without a C library, from pinned sums."""
    log = tmp_path / "log"
    program(
        tmp_path / "path" / "go",
        f'echo "$CGO_ENABLED $PWD $*" > {log}\n'
        'while [ "$1" != -o ]; do shift; done; echo built > "$2"',
    )
    said: list[str] = []
    built = build_jaeger(tmp_path, said.append)
    assert built == tmp_path / "bin" / "jaeger"
    assert find_jaeger(tmp_path) == built
    call = log.read_text()
    assert call.startswith(f"0 {BUILD} build ")
    assert "-mod=readonly" in call
    assert sorted(p.name for p in built.parent.iterdir()) == [".lock", "jaeger"]
    assert len(said) == 2


def test_a_second_build_does_nothing_and_says_so(tmp_path: Path) -> None:
    """Even without Go."""
    built = program(tmp_path / "bin" / "jaeger")
    said: list[str] = []
    assert build_jaeger(tmp_path, said.append) == built
    assert said == [f"Jaeger is there already: {built}"]


def test_without_go_the_mends_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go, or a program of one's own."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(OpsError, match=r"no Go on PATH.*install Go.*bin/jaeger"):
        build_jaeger(tmp_path, print)


def test_a_failed_build_ends_with_gos_last_line_and_leaves_nothing(tmp_path: Path) -> None:
    """One line, and no half of a program."""
    program(tmp_path / "path" / "go", "echo first >&2; echo 'no space left' >&2; exit 1")
    with pytest.raises(OpsError) as failed:
        build_jaeger(tmp_path, lambda _: None)
    assert str(failed.value) == "Jaeger cannot be built: go: no space left"
    assert [p.name for p in (tmp_path / "bin").iterdir()] == [".lock"]


def test_what_is_built_is_pinned() -> None:
    """One version, with the sum of every module; no registry and no path of some machine."""
    module = (BUILD / "go.mod").read_text()
    sums = (BUILD / "go.sum").read_text()
    assert f"github.com/jaegertracing/jaeger {MODULE_VERSION}\n" in module
    assert "tool github.com/jaegertracing/jaeger/cmd/jaeger\n" in module
    assert f"github.com/jaegertracing/jaeger {MODULE_VERSION} h1:" in sums
    assert not re.search(r"replace .*=> *[./]|https?://|toolchain", module)


def test_a_refused_configuration_is_one_line(tmp_path: Path) -> None:
    """The file, the program and its last word."""
    jaeger = program(tmp_path / "jaeger", "echo usage >&2; echo 'unknown key: badgr' >&2; exit 1")
    with pytest.raises(OpsError) as refused:
        check_config(jaeger, CONFIG, {})
    assert str(refused.value) == f"{CONFIG} is refused by {jaeger}: unknown key: badgr"
    check_config(program(tmp_path / "ok"), CONFIG, {})


def config_variables() -> dict[str, str]:
    """Return the variables of the configuration with their defaults."""
    found = re.findall(r"\$\{env:(\w+)(?::-([^}]*))?\}", CONFIG.read_text())
    assert all(default for _, default in found), "a variable has no default"
    return dict(found)


def test_the_configurations_ports_are_those_that_everything_else_expects() -> None:
    """By name and default; local mode sets every address and folder."""
    variables = config_variables()
    for name, default in variables.items():
        if name.endswith("_PORT") and name != "JAEGER_QUERY_GRPC_PORT":
            assert int(default) == DEFAULTS[name]
    plan = Plan(ROOT, Path("/run-dir"), DEFAULTS, speed=10)
    left = {"JAEGER_LOG_LEVEL", "JAEGER_MEMORY_LIMIT_MIB", "JAEGER_TTL"}
    assert set(variables) - set(jaeger_environment(plan)) == left


def test_spans_are_kept_on_disk_for_three_days_within_bounded_memory() -> None:
    """Below the one folder that the image lets its user write."""
    config = yaml.safe_load(CONFIG.read_text())
    badger = config["extensions"]["jaeger_storage"]["backends"]["main"]["badger"]
    assert badger["ephemeral"] is False
    assert badger["ttl"]["spans"] == "${env:JAEGER_TTL:-72h}"
    assert badger["directories"]["keys"] == "${env:JAEGER_DATA_DIR:-/tmp/badger}/keys"
    traces = config["service"]["pipelines"]["traces"]
    assert traces["processors"][0] == "memory_limiter"
    assert traces["exporters"] == ["jaeger_storage_exporter", "spanmetrics"]


def test_jaeger_makes_no_spans_of_its_own() -> None:
    """They would be one more service, and an end would wait ten seconds to send them."""
    config = yaml.safe_load(CONFIG.read_text())
    assert config["extensions"]["jaeger_query"]["enable_tracing"] is False


def test_the_monitor_tab_asks_for_the_series_that_are_made() -> None:
    """Namespace and unit are the same at both ends."""
    config = yaml.safe_load(CONFIG.read_text())
    made = config["connectors"]["spanmetrics"]
    backends = config["extensions"]["jaeger_storage"]["metric_backends"]
    asked = backends["span_metrics"]["prometheus"]
    assert made["namespace"].replace(".", "_") == asked["metric_namespace"]
    assert made["histogram"]["unit"] == asked["latency_unit"]
    assert asked["normalize_calls"]
    assert asked["normalize_duration"]


def jaeger_of(plan: Plan) -> Component:
    nowhere = Path()
    found = components(plan, Binaries(nowhere, nowhere, nowhere, nowhere))
    return next(each for each in found if each.name == "jaeger")


def test_local_mode_runs_jaeger_where_there_is_one() -> None:
    """With the checkout's own file, and the embedded store's ports for what both have."""
    ports = {name: port + 10_000 for name, port in DEFAULTS.items()}
    jaeger = jaeger_of(Plan(ROOT, Path("/run-dir"), ports, jaeger="/opt/jaeger"))
    assert jaeger.command == ("/opt/jaeger", f"--config=file:{CONFIG}")
    assert jaeger.health == "http://127.0.0.1:23133/status"
    assert jaeger.environment["JAEGER_DATA_DIR"] == "/run-dir/data/jaeger"
    assert jaeger.environment["OTLP_HTTP_PORT"] == "14318"
    assert "SPANMETRICS_FLUSH_INTERVAL" not in jaeger.environment
    embedded = jaeger_of(Plan(ROOT, Path("/run-dir"), ports))
    assert embedded.address == jaeger.address
    assert "stack.ops.tracestore.app:create_app()" in embedded.command


@pytest.mark.parametrize("with_jaeger", [True, False], ids=["jaeger", "embedded"])
def test_span_metrics_are_scraped_only_where_they_are(
    with_jaeger: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only the ports that something will have are looked at."""
    looked_at: dict[str, int] = {}
    started: list[Any] = []
    monkeypatch.setattr(local, "check_free", looked_at.update)

    class Starter:
        def start(self, *arguments: Any) -> None:
            started.append(arguments)

    plan = Plan(ROOT, tmp_path, DEFAULTS, jaeger="/opt/jaeger" if with_jaeger else "")
    tmp_path.joinpath("data").mkdir()
    local._start(plan, [], Starter())  # type: ignore[arg-type]
    targets = plan.config / "prometheus" / "targets" / "spanmetrics.yaml"
    assert targets.is_file() == with_jaeger
    assert (set(looked_at) >= ONLY_WITH_JAEGER) == with_jaeger
    if with_jaeger:
        assert yaml.safe_load(targets.read_text())[0]["targets"] == ["127.0.0.1:8889"]
    services = yaml.safe_load((targets.parent / "services.yaml").read_text())
    assert all("8889" not in target for entry in services for target in entry["targets"])


def test_what_is_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what makes the other available; a refused configuration stops the start."""
    plan = Plan(ROOT, tmp_path, DEFAULTS)
    said: list[str] = []
    assert local._with_trace_store(plan, said.append).jaeger == ""
    built = program(tmp_path / "bin" / "jaeger")
    assert local._with_trace_store(plan, said.append).jaeger == str(built)
    assert "make jaeger" in said[0]
    assert str(built) in said[1]
    program(built, "echo 'no such key' >&2; exit 1")
    with pytest.raises(OpsError, match=r"config\.yaml is refused by .*no such key"):
        local._with_trace_store(plan, said.append)
