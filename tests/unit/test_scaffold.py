"""A service is added whole, or not at all, and removed without a trace."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from stack.errors import ConfigurationError, OpsError
from stack.ops import run_folder
from stack.ops.added import added
from stack.ops.binaries import Binaries
from stack.ops.components import Plan, components
from stack.ops.kubernetes import files, layout
from stack.ops.local import addresses
from stack.ops.ports import DEFAULTS, read_ports
from stack.ops.scaffold import cli
from stack.ops.scaffold.entries import entries
from stack.ops.scaffold.naming import choose_port
from stack.ops.scaffold.service import add, remove

ROOT = Path(__file__).parents[2]
COPIED = (
    *(".env.example", "compose.yaml", "docs/compose.md", "prometheus/targets/services.yaml"),
    *("pyproject.toml", "services/template", "stack/__init__.py", "tests/unit/test_template.py"),
)
# Some stand in the shared files already, as something else.
NAMES = ("a", "orders", "orders-2", "x1-y2-z3", "match", "telemetry", "settings", "stop", "a" * 30)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What of a checkout is copied or changed, without what has been added to this one."""
    for each in COPIED:
        target = tmp_path / each
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / each, target)
    for name in (each.name for each in added(ROOT)):
        for entry in entries(name, 0):
            path = tmp_path / entry.path
            path.write_text(entry.taken_out(path.read_text()))
    return tmp_path


def state(root: Path) -> dict[str, bytes]:
    """Return every file with what is in it, and every folder."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
        if not {"__pycache__", ".ruff_cache"} & set(path.parts)
    }


def document(root: Path, path: str) -> Any:
    return yaml.safe_load((root / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_added_is_registered_everywhere_and_removed_without_a_trace(
    root: Path, name: str
) -> None:
    """In containers, in local mode, in what is scraped, with an objective and its rules."""
    before = state(root)
    add(root, name, "8123")
    module, variable = name.replace("-", "_"), f"{name.replace('-', '_').upper()}_PORT"
    container = document(root, "compose.yaml")["services"][name]
    assert f"services.{module}.app:create_app()" in container["command"]
    assert container["ports"] == [f"127.0.0.1:${{{variable}:-8123}}:8123"]
    assert f"\n#{variable}=8123\n" in (root / ".env.example").read_text()
    assert document(root, "prometheus/targets/services.yaml")[-1] == {
        "targets": [f"{name}:8123"],
        "labels": {"service": name},
    }
    assert document(root, f"prometheus/slo/{name}.yaml")["service"] == name
    groups = document(root, f"prometheus/rules/slo-{name}.rules.yml")["groups"]
    assert f"slo-{name}-availability" in [group["name"] for group in groups]
    assert read_ports(root, {variable: "9123"})[variable] == 9123
    remove(root, name)
    assert state(root) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_keeps_to_the_style_whatever_its_name(root: Path, name: str) -> None:
    """No line becomes too long, none could be joined, and nothing is left of the template."""
    add(root, name)
    module = name.replace("-", "_")
    copies = [root / "services" / module, root / "tests" / "unit" / f"test_{module}.py"]
    for check in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *check, *map(str, copies)]
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout
    texts = [
        path.read_text() for each in copies for path in (each, *each.rglob("*.*")) if path.is_file()
    ]
    assert [text for text in texts if "template" in text or "Copy it" in text] == []


def test_local_mode_runs_it(root: Path) -> None:
    """As the stack's own services, with the variables of its own, where its target is."""
    add(root, "orders-2", "8123")
    file = root / "services/orders_2/service.yaml"
    file.write_text(file.read_text().replace("environment: {}", "environment: {A: '1'}"))
    nowhere = Path("/bin")
    binaries = Binaries(nowhere, nowhere, nowhere, nowhere)
    plan = Plan(root, root / ".run", {**read_ports(root, {}), "ORDERS_2_PORT": 9123})
    (orders,) = (each for each in components(plan, binaries) if each.name == "orders-2")
    assert orders.command[-1] == "services.orders_2.app:create_app()"
    assert orders.health == "http://127.0.0.1:9123/readyz"
    assert (orders.environment["PORT"], orders.environment["A"]) == ("9123", "1")
    assert addresses(plan)["orders-2:8123"] == "127.0.0.1:9123"
    # What was started before it came goes on without it.
    older = Plan(root, root / ".run", DEFAULTS)
    assert "orders-2" not in {each.name for each in components(older, binaries)}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "at most 30 small letters") for name in ("", "Orders", "2nd", "-a", "a-", "a--b")),
        *(
            (name, "at most 30 small letters")
            for name in ("a_b", "a b", "ä", "a\n", "../a", "a" * 31)
        ),
        *((name, "the stack has something of that name") for name in ("gateway", "prometheus")),
        *((name, "the stack has something of that name") for name in ("template", "secrets")),
        *((name, "the stack has something of that name") for name in ("store", "prometheus-b")),
        # Their variables would be LOADGEN_METRICS_PORT and OTLP_HTTP_PORT.
        *(
            (name, "the stack has something of that name")
            for name in ("loadgen-metrics", "otlp-http")
        ),
        *((name, f"a word that Python .* such as {name}-service") for name in ("class", "import")),
        *((name, f"a word that Python .* such as {name}-service") for name in ("json", "queue")),
        *((name, f"a word that YAML .* such as {name}-service") for name in ("true", "on", "null")),
    ],
)
def test_a_name_that_cannot_be_is_refused(root: Path, name: str, why: str) -> None:
    """The message has the field, the value and the mend; nothing is written."""
    before = state(root)
    with pytest.raises(ConfigurationError, match=rf"^NAME={re.escape(repr(name))} .*{why}"):
        add(root, name)
    assert state(root) == before


@pytest.mark.parametrize(
    ("port", "why"),
    [
        *((port, "a whole number from 1024 to 65535") for port in ("80", "65536", "-1", "", "x")),
        *((port, "a whole number from 1024 to 65535") for port in ("08010", "8010.0", "٨٠١٠")),
        ("8000", r"another port than that of GATEWAY_PORT, such as 80\d\d"),
        ("9090", "another port than that of PROMETHEUS_PORT"),
        ("10902", "another port than that of QUERY_PORT"),
    ],
)
def test_a_port_that_cannot_be_is_refused(root: Path, port: str, why: str) -> None:
    """The message has the field, the value and the mend; nothing is written."""
    before = state(root)
    with pytest.raises(ConfigurationError, match=f"^PORT='{re.escape(port)}' .*{why}"):
        add(root, "orders", port)
    assert state(root) == before


def test_the_port_is_the_next_that_is_free(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 8010 on, without those that the stack, an added service or another program has."""
    monkeypatch.setattr("stack.ops.scaffold.naming.is_free", lambda port: port != 8012)
    (root / ".env").write_text("GRAFANA_PORT=8010\n")
    add(root, "first")
    add(root, "second")
    assert [(each.name, each.port) for each in added(root)] == [("first", 8011), ("second", 8013)]
    with pytest.raises(ConfigurationError, match="that of FIRST_PORT, such as 8014"):
        choose_port(root, "8011")


def test_added_twice_it_is_named(root: Path) -> None:
    """The message says where it is, and how to end it; the first stays as it is."""
    add(root, "orders-2")
    before = state(root)
    with pytest.raises(
        ConfigurationError, match="services/orders_2 is there; make remove-service NAME=orders-2"
    ):
        add(root, "orders-2")
    assert state(root) == before


def test_one_whose_name_begins_another_goes_alone(root: Path) -> None:
    """In whichever order they come and go."""
    before = state(root)
    add(root, "orders-2", "8101")
    with_one = state(root)
    add(root, "orders", "8102")
    remove(root, "orders")
    assert state(root) == with_one
    add(root, "orders", "8102")
    remove(root, "orders-2")
    assert [each.name for each in added(root)] == ["orders"]
    remove(root, "orders")
    assert state(root) == before


def test_what_was_changed_since_is_kept_unless_told(root: Path) -> None:
    """Changed and new files are named; what was set in shared entries is no work to lose."""
    before = state(root)
    add(root, "orders", "8101")
    compose = root / "compose.yaml"
    port = '      PORT: "8101"\n'
    compose.write_text(
        compose.read_text().replace(port, f"{port}      # Where it pays.\n      A: b\n")
    )
    (root / "services/orders/app.py").write_text("# mine\n")
    (root / "services/orders/more").mkdir()
    (root / "services/orders/more/mine.py").write_text("# mine\n")
    changed = state(root)
    with pytest.raises(OpsError, match=r"orders/app\.py, services/orders/more/mine\.py; .*FORCE=1"):
        remove(root, "orders")
    assert state(root) == changed
    remove(root, "orders", force=True)
    assert state(root) == before


@pytest.mark.parametrize(
    ("name", "why"),
    [("gateway", "is the stack's own"), ("other-one", "was not added; there is orders")],
)
def test_only_what_was_added_can_be_removed(root: Path, name: str, why: str) -> None:
    """The message says what is there."""
    add(root, "orders")
    before = state(root)
    with pytest.raises(OpsError, match=f"NAME='{name}' {why}"):
        remove(root, name)
    assert state(root) == before


def test_a_file_in_the_way_is_named(root: Path) -> None:
    """Nothing is overwritten."""
    (root / "tests/unit/test_logs.py").write_text("# another's\n")
    before = state(root)
    with pytest.raises(OpsError, match=r"would overwrite tests/unit/test_logs\.py; take another"):
        add(root, "logs")
    assert state(root) == before


def test_where_it_cannot_be_written_whole_nothing_is(root: Path) -> None:
    """Whatever was written before the failure is taken back."""
    (root / "prometheus/rules").write_text("no folder\n")
    before = state(root)
    with pytest.raises(OpsError, match=r"prometheus/rules.*nothing has been changed"):
        add(root, "orders")
    assert state(root) == before


@pytest.fixture
def with_bases(root: Path) -> Path:
    """Give such a checkout with its Kustomize bases, and all that they are made of."""
    for each in ("prometheus", "alertmanager", "jaeger", "grafana"):
        shutil.copytree(ROOT / each, root / each, dirs_exist_ok=True)
    for name in (each.name for each in added(ROOT)):
        (root / f"prometheus/rules/slo-{name}.rules.yml").unlink()
        for entry in (each for each in entries(name, 0) if each.path.parts[0] == "prometheus"):
            path = root / entry.path
            path.write_text(entry.taken_out(path.read_text()))
    files.write(root / "kubernetes", layout.texts(root))
    return root


def test_the_kustomize_bases_go_along(with_bases: Path) -> None:
    """They are written anew with it, and without it."""
    before = state(with_bases)
    assert add(with_bases, "orders", "8101")[Path("kubernetes")] == "anew"
    assert (with_bases / "kubernetes/base/orders/deployment.yaml").is_file()
    assert files.drift(with_bases / "kubernetes", layout.texts(with_bases)) == []
    assert remove(with_bases, "orders")[Path("kubernetes")] == "anew"
    assert state(with_bases) == before


def of_another(root: Path) -> None:
    (root / "kubernetes/mine.yaml").write_text("kind: Mine\n")


def in_the_way(root: Path) -> None:
    file = root / "kubernetes/base/monitors/services.yaml"
    file.unlink()
    file.mkdir()


def broken_source(root: Path) -> None:
    (root / "alertmanager/alertmanager.yml").write_text("route: {}\n")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (of_another, r"did not write \(mine\.yaml\); move them away.*; nothing has been changed"),
        (in_the_way, r"Is a directory.*; nothing has been changed"),
        (broken_source, r"alertmanager\.yml: has to have the line .*; nothing has been changed"),
    ],
)
def test_where_the_kustomize_bases_cannot_be_written_nothing_is(
    with_bases: Path, spoil: Callable[[Path], None], why: str
) -> None:
    """Neither by who adds a service nor by who removes one."""
    add(with_bases, "first")
    spoil(with_bases)
    before = state(with_bases)
    with pytest.raises(OpsError, match=why):
        add(with_bases, "second")
    assert state(with_bases) == before
    with pytest.raises(OpsError, match=why):
        remove(with_bases, "first")
    assert state(with_bases) == before


@pytest.mark.parametrize("path", ["compose.yaml", ".env.example", "docs/compose.md"])
def test_a_shared_file_without_its_place_is_named(root: Path, path: str) -> None:
    """The message says before which line new services go."""
    (root / path).write_text("services: {}\n")
    before = state(root)
    with pytest.raises(OpsError, match=f"{re.escape(path)}: 0 lines begin with .*one has to"):
        add(root, "orders")
    assert state(root) == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("port: 80", "port=80: must be a whole number from 1024 to 65535"),
        ("port: many", "port='many': must be a whole number"),
        ("prot: 8101", "prot=8101: must be one of name, port, shows"),
        ("name: other", "name='other': must be that of its folder, orders"),
        ("first_request: hello", "first_request='hello': must be a path"),
        ("environment: {A: 1}", "environment=1: must be a mapping of variables to texts"),
        ("}", "cannot be read .*: must be a YAML file"),
    ],
)
def test_a_wrong_service_file_is_named_with_the_mend(root: Path, text: str, why: str) -> None:
    """The file, the field, its value and what would be right."""
    file = root / "services/orders/service.yaml"
    file.parent.mkdir()
    good = "name: orders\nport: 8101\nshows: orders\n"
    field = text.partition(":")[0]
    file.write_text(re.sub(f"^{field}:.*\n", "", good, flags=re.MULTILINE) + f"{text}\n")
    with pytest.raises(OpsError, match=rf"services/orders/service\.yaml: {why}"):
        added(root)


def test_the_commands_say_what_they_did(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file, what to do next; an error is one line and exit status 1."""
    monkeypatch.setattr("stack.ops.run_folder.checkout", lambda: root)

    def run(*arguments: str, status: int = 0) -> str:
        ended = CliRunner().invoke(cli.service, arguments)
        assert ended.exit_code == status, ended.output
        return ended.output

    said = run("add", "orders", "--port", "8101")
    assert "services/orders/app.py" in said
    assert "where the stack runs `make down up`; then curl" in said
    assert run("list").split() == ["orders", "8101", "greets", "whoever", "asks"]
    run("add", "orders", status=1)
    (root / ".run").mkdir()
    run_folder.save(Plan(root, root / ".run", DEFAULTS, scale=True))
    said = run("remove", "orders")
    assert "deleted services/orders/app.py" in said
    assert "`make down up SCALE=1` ends it" in said
    assert run("list") == ""
