"""Run the benchmarks: `python -m benchmarks [NAME …] [--out FOLDER]`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.catalogue import NAMES
from benchmarks.figures import Benchmark, Figure


def main() -> int:
    """Run what is asked for, each in its own process; print and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, help="folder for report.md and report.json")
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if asked.inside:
        return _measure(asked.inside)
    found = []
    for name in asked.names or NAMES:
        found.append(_in_own_process(name))
        print(report.section(found[-1]), flush=True)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        text = report.as_markdown([report.section(each) for each in found])
        (asked.out / "report.md").write_text(text, encoding="utf-8")
        (asked.out / "report.json").write_text(
            json.dumps(report.as_json(found), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return 0


def _in_own_process(name: str) -> Benchmark:
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    command = [sys.executable, "-m", "benchmarks", "--inside", name]
    done = subprocess.run(  # noqa: S603 -- this interpreter, with a name from the catalogue
        command, env=environment, stdout=subprocess.PIPE, check=False, text=True
    )
    if done.returncode:
        raise SystemExit(f"benchmark {name} failed with exit code {done.returncode}")
    found = json.loads(done.stdout)
    figures = [Figure(**figure) for figure in found["figures"]]
    return Benchmark(found["title"], figures, found["notes"])


def _measure(name: str) -> int:
    benchmark: Benchmark = import_module(f"benchmarks.{name}").run()
    print(json.dumps(asdict(benchmark)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
