"""The files of the scaled traces agree with each other and with the single machine's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.errors import OpsError
from stack.ops import commands
from stack.ops.cassandra import cassandra, check_sums, checkout_file
from stack.ops.components import Plan
from stack.ops.jaeger import find_jaeger
from tests.required import skip_scaled

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "names",
    [("collector", "sampling-head"), ("collector", "sampling-tail"), ("query",)],
    ids="+".join,
)
def test_jaeger_accepts(names: tuple[str, ...]) -> None:
    """Jaeger reads the files with their defaults."""
    jaeger = find_jaeger(ROOT / ".run")
    if jaeger is None:
        skip_scaled("Jaeger was not built: `make jaeger`")
    options = [f"--config=file:{ROOT / 'jaeger' / name}.yaml" for name in names]
    commands.run([str(jaeger), "validate", *options], timeout=30)


def test_span_metrics_are_those_of_one_machine() -> None:
    """Rules and dashboards find the same series, whichever way the stack runs."""
    single, scaled = _jaeger("config"), _jaeger("collector")
    assert scaled["connectors"]["spanmetrics"] == single["connectors"]["spanmetrics"]
    backends = "metric_backends"
    assert (
        _jaeger("query")["extensions"]["jaeger_storage"][backends]
        == single["extensions"]["jaeger_storage"][backends]
    )


def test_both_halves_are_one_whole() -> None:
    """A span is left out for exactly one of the two collectors."""
    filters = _jaeger("sampling-tail")["processors"]
    (dropped_a,) = filters["filter/half_a"]["traces"]["span"]
    (dropped_b,) = filters["filter/half_b"]["traces"]["span"]
    assert dropped_a == f"not {dropped_b}"


def test_what_is_started_was_listed(tmp_path: Path) -> None:
    """Every jar that the command line names has a sum, so a new version cannot go unseen."""
    names = ("CASSANDRA_PORT", "CASSANDRA_STORAGE_PORT", "CASSANDRA_METRICS_PORT")
    plan = Plan(ROOT, tmp_path, dict.fromkeys(names, 1))
    listed = checkout_file("build/SHA256SUMS").read_text(encoding="utf-8").split()
    agents = [
        part.removeprefix("-javaagent:").split("=")[0]
        for part in cassandra(plan, Path("lib")).command
        if part.startswith("-javaagent:")
    ]
    assert len(agents) == 2
    assert {Path(agent).name for agent in agents} <= set(listed)


def test_only_this_machine_is_listened_to() -> None:
    """Cassandra has no password, so nobody else may reach it."""
    settings = yaml.safe_load(checkout_file("cassandra.yaml").read_text(encoding="utf-8"))
    assert settings["listen_address"] == settings["rpc_address"] == "127.0.0.1"


@pytest.mark.parametrize("change", ["altered", "missing", "added"])
def test_another_file_is_refused(tmp_path: Path, change: str) -> None:
    """A download that is not what was listed is named and not used."""
    folder, sums = tmp_path / "lib", tmp_path / "SHA256SUMS"
    folder.mkdir()
    (folder / "one.jar").write_bytes(b"one")
    sums.write_text(f"{hashlib.sha256(b'one').hexdigest()}  one.jar\n", encoding="utf-8")
    check_sums(folder, sums)
    if change == "missing":
        (folder / "one.jar").unlink()
    else:
        (folder / ("one.jar" if change == "altered" else "two.jar")).write_bytes(b"two")
    with pytest.raises(OpsError, match=r"(one|two)\.jar has the SHA-256"):
        check_sums(folder, sums)


def _jaeger(name: str) -> Any:
    return yaml.safe_load((ROOT / "jaeger" / f"{name}.yaml").read_text(encoding="utf-8"))
