"""Every benchmark runs and reports; how long anything takes is never checked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.catalogue import NAMES
from benchmarks.figures import Figure


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        env={**os.environ, "BENCH_QUICK": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_all_benchmarks_report(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert len(report["benchmarks"]) == len(NAMES)
    figures = [Figure(**_own(f)) for each in report["benchmarks"] for f in each["figures"]]
    assert all(f.value > 0 for f in figures if f.unit == "s")
    # Bytes do not depend on the machine's load: they are held to their goals.
    assert all(f.met for f in figures if f.unit == "B")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for each in report["benchmarks"]:
        assert f"## {each['title']}" in text


def test_an_unknown_name_is_refused() -> None:
    done = run("metric_recrod")
    assert done.returncode == 2
    assert "no benchmark metric_recrod" in done.stderr
    assert "metric_record" in done.stderr


@pytest.mark.parametrize(
    ("value", "peer", "goal", "met"), [(1.0, 2.0, 0.5, True), (1.1, 2.0, 0.5, False)]
)
def test_a_goal_is_a_ratio_to_the_peer(value: float, peer: float, goal: float, met: bool) -> None:
    assert Figure("o", value, peer="p", peer_value=peer, goal_ratio=goal).met is met


def _own(figure: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in figure.items() if k not in {"to_bare", "to_peer", "met"}}
