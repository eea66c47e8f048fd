"""The files of Compose, `.env.example`, the ports and local mode say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ConfigurationError
from stack.ops.binaries import Binaries
from stack.ops.components import Plan, components
from stack.ops.docker import images
from stack.ops.ports import default_ports, read_load_rate, read_sampling
from tests.config.conftest import COMPOSE, ROOT, SCALE, SHARDS, VARIABLE, Render
from tests.config.policy import ONE_SHOT, lasting, seconds

EXAMPLE = ROOT / ".env.example"
# Paths and addresses differ between the two modes, and nothing else does.
OWN_TO_A_MODE = {
    "--config.file",
    "--storage.path",
    "--storage.tsdb.path",
    "--web.external-url",
    "--web.listen-address",
}
# What local mode's plan says, by the variable of compose.yaml.
PORTS = default_ports(ROOT)
PLAN = Plan(ROOT, Path("/run-dir"), PORTS)
OF_PLAN = {
    "BREAKER_TIMEOUT_SECONDS": f"{PLAN.breaker_timeout:g}",
    "WATCHDOG_TIMEOUT_SECONDS": f"{PLAN.watchdog_timeout:g}",
    "PROMETHEUS_RESEND_DELAY": f"{PLAN.resend_delay}s",
    "LOAD_RATE": f"{PLAN.load:g}",
}


def variables(file: Path = COMPOSE) -> dict[str, set[str]]:
    """Return the defaults of each variable in a file; one that is needed has an empty one."""
    found: dict[str, set[str]] = {}
    for name, default in VARIABLE.findall(file.read_text()):
        found.setdefault(name, set()).add(VARIABLE.sub(r"\2", default))
    return found


def flags(command: list[str]) -> set[str]:
    return {each for each in command if each.partition("=")[0] not in OWN_TO_A_MODE}


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_both_modes_give_the_same_flags(document: dict[str, Any], name: str) -> None:
    """Retention, features and delays; what works in one mode works in the other."""
    nowhere = Path("/bin")
    local = components(PLAN, Binaries(nowhere, nowhere, nowhere, nowhere))
    (command,) = (each.command[1:] for each in local if each.name == name)
    assert flags(document["services"][name]["command"]) == flags(list(command))


def test_every_variable_has_one_default() -> None:
    """`docker compose up` needs no file, and a variable means the same wherever it stands."""
    assert {name: defaults for name, defaults in variables().items() if len(defaults) > 1} == {}
    assert [name for name, defaults in variables().items() if "" in defaults] == []


def test_a_variable_means_the_same_in_the_overlay_of_pairs() -> None:
    """But for who answers in a model's place, and who answers for metrics."""
    one, pairs = variables(), variables(SCALE)
    differing = {name for name, defaults in pairs.items() if defaults != one.get(name, defaults)}
    assert differing == {"LLM_BASE_URL", "METRICS_URL"}
    assert {name: each for name, each in pairs.items() if len(each) > 1} == {}
    assert [name for name, defaults in pairs.items() if "" in defaults] == []


def test_ports_are_published_where_local_mode_has_them(document: dict[str, Any]) -> None:
    """Each by its own variable, with the default of stack/ops/ports.py or a service.yaml."""
    ports = {name: int(*values) for name, values in variables().items() if name.endswith("_PORT")}
    # The load generator's and Jaeger's health ports stay in the containers' network.
    inner = {"LOADGEN_METRICS_PORT", "JAEGER_HEALTH_PORT"}
    assert ports == {name: port for name, port in PORTS.items() if name not in inner}
    published = [
        int(port["published"])
        for service in document["services"].values()
        for port in service.get("ports", [])
    ]
    assert sorted(published) == sorted(ports.values())


def test_ports_can_be_changed(render: Render) -> None:
    """Every one; nothing is published on a number that no variable changes."""
    names = [name for name in variables() if name.endswith("_PORT")]
    moved = {name: str(20_000 + index) for index, name in enumerate(names)}
    published = {
        port["published"]
        for service in render(**moved)["services"].values()
        for port in service.get("ports", [])
    }
    assert published == set(moved.values())


@pytest.mark.parametrize("name", OF_PLAN)
def test_waiting_times_and_load_are_those_of_local_mode(name: str) -> None:
    """`make up` sets them in drills only, so that the defaults have to agree."""
    assert variables()[name] == {OF_PLAN[name]}


def test_the_load_is_the_one_that_is_read_for_make_up(tmp_path: Path) -> None:
    """Without a file and a variable."""
    assert read_load_rate(tmp_path, {}) == float(*variables()["LOAD_RATE"])


def test_sampling_is_the_one_that_is_read_for_make_up(tmp_path: Path) -> None:
    """Without a file and a variable; another word is refused before anything starts."""
    (default,) = {each for name, each in VARIABLE.findall(SCALE.read_text()) if name == "SAMPLING"}
    assert read_sampling(tmp_path, {}) == default == Plan(ROOT, tmp_path, {}).sampling
    assert read_sampling(tmp_path, {"SAMPLING": "tail"}) == "tail"
    with pytest.raises(ConfigurationError, match=r"SAMPLING='some'.* one of head, tail"):
        read_sampling(tmp_path, {"SAMPLING": "some"})


def test_every_image_can_be_replaced_by_its_variable(render: Render) -> None:
    """`make up` puts built images in the place of those that cannot be pulled."""
    chosen = {each.variable: f"here/{each.name}:1" for each in images.IMAGES}
    chosen["SERVICES_IMAGE"] = "here/services:1"
    found = render(**chosen)["services"]
    used = {service["image"] for service in found.values()}
    used |= set(found[ONE_SHOT]["build"]["args"].values())
    assert used == set(chosen.values())


def test_the_services_image_is_the_one_that_is_built() -> None:
    """Its name, here and in the tooling, has the version that its Dockerfile labels it with."""
    assert variables()["SERVICES_IMAGE"] == {images.SERVICES}
    dockerfile = (ROOT / "services" / "Dockerfile").read_text()
    (version,) = re.findall(r"^ARG VERSION=(.+)$", dockerfile, re.MULTILINE)
    assert f"stack-services:{version}" == images.SERVICES
    for path in ("services/Dockerfile", "images/Dockerfile"):
        (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / path).read_text(), re.MULTILINE)
        assert variables()["PYTHON_IMAGE"] == {base}


def test_the_example_lists_every_variable_with_its_default() -> None:
    """Those of pairs, too, and nothing else: a line to uncomment is one that changes something."""
    listed = re.findall(r"^#\w+=.*$", EXAMPLE.read_text(), re.MULTILINE)
    known = {**variables(SHARDS), **variables(SCALE), **variables()}
    expected = {f"#{name}={default}" for name, (default,) in known.items()}
    assert sorted(expected - set(listed)) == [], ".env.example lacks these lines"
    assert sorted(set(listed) - expected) == [], ".env.example has these lines, no file reads them"
    assert len(listed) == len(known), "a variable is listed twice"


def test_the_example_has_what_only_pairs_read_below_all_else() -> None:
    """Whoever runs one of each need not read it."""
    head, _, rest = EXAMPLE.read_text().partition("# Below: what SCALE=1 has besides")
    assert set(re.findall(r"^#(\w+)=", head, re.MULTILINE)) == set(variables())
    assert "docs/scaling.md" in rest


def test_the_example_sets_nothing_and_explains_each_group() -> None:
    """A copy of it changes nothing; the line above each group says what it is for."""
    groups = re.split(r"\n\n+", EXAMPLE.read_text().strip())
    for group in groups:
        lines = group.splitlines()
        assert all(line.startswith("#") for line in lines), group
        assert re.match(r"# \w.+", lines[0]), group


def test_every_file_comes_from_the_folder_that_make_up_makes(
    render: Render, tmp_path: Path
) -> None:
    """Those can be read by other users, whatever the checkout's modes are."""
    mounts = {
        Path(mount["source"])
        for service in render(STACK_CONFIG_DIR=str(tmp_path))["services"].values()
        for mount in service.get("volumes", ())
        if mount["type"] == "bind"
    }
    assert [path for path in mounts if not path.is_relative_to(tmp_path)] == []


def test_the_guides_limits_are_those_of_the_file(document: dict[str, Any]) -> None:
    """A table that nobody keeps is worse than none."""
    guide = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([\w-]+)[^|]*\|[^|]*\|[^|]*\| (\d+) \| ([–\d]+) \| ([\d.]+) \| (\d+) \|$", guide, re.M
    )
    shown = {name: limits for name, *limits in rows}
    for name, service in document["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        garbage = str(service.get("environment", {}).get("GOMEMLIMIT", "–")).removesuffix("MiB")
        memory = int(limits["memory"]) // 2**20
        assert shown[name] == [f"{memory}", garbage, f"{limits['cpus']:.1f}", f"{limits['pids']}"]


def test_services_have_time_to_finish_what_they_answer(document: dict[str, Any]) -> None:
    """Compose waits longer than gunicorn does for its workers."""
    # In a process of its own, for reading them makes metrics shared.
    program = 'import runpy; print(runpy.run_path("services/gunicorn.conf.py")["graceful_timeout"])'
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    graceful_timeout = int(ended.stdout)
    for name, service in lasting(document):
        assert seconds(service["stop_grace_period"]) > graceful_timeout, name
