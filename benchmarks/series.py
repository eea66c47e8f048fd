"""How memory, processor time and the dashboards' queries grow with the number of series.

    .venv/bin/python -m benchmarks.series --write

A real Prometheus with the project's rules scrapes 50, 150 and 500 instances, some 10,000, 30,000
and 100,000 series, and every panel asks its queries. Where there is a `thanos` beside Prometheus,
a sidecar and a Query are started and asked, too; `--port` and `--url NAME=URL` ask what you run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import running
from benchmarks.scraping import INTERVAL, ROOT, Running, prometheus
from benchmarks.series_plot import picture
from stack.ops.binaries import bin_folder
from stack.ops.console.dashboard import read_dashboards
from stack.ops.console.prometheus import Prometheus
from stack.ops.console.timerange import TimeRange
from stack.ops.console.variables import filled, read_variables
from stack.ops.ports import free_port

INSTANCES = (50, 150, 500)
SECONDS = 60.0
ROUNDS = 5
RESULTS = Path(__file__).with_name("series.json")
PLOT = ROOT / "docs" / "images" / "series-growth.svg"
_RANGE = "now-30m"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, as it is asked.

    Args:
        name: dashboard, panel and the query's letter.
        expr: with its variables filled in.
        moments: first, last and step in seconds; None for one moment.
    """

    name: str
    expr: str
    moments: tuple[int, int, int] | None


def main() -> int:
    """Measure the sizes, print the growth, write results and plot."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.series", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and the plot")
    parser.add_argument("--instances", type=int, nargs="+", default=INSTANCES)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that each size lasts")
    parser.add_argument("--port", type=int, default=0, help="of Prometheus; any by default")
    parser.add_argument("--url", action="append", default=[], metavar="NAME=URL")
    asked = parser.parse_args()
    others = dict(each.split("=", 1) for each in asked.url if "=" in each)
    if len(others) < len(asked.url):
        parser.error(f"--url {asked.url}: must be NAME=URL, such as thanos=http://localhost:10902")
    runs = [one_size(each, asked.seconds, asked.port, others) for each in asked.instances]
    found = {"interval": INTERVAL, "runs": runs, "exponents": exponents(runs)}
    print("\n".join(lines(found)))
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        PLOT.write_text(picture(courses(runs)), encoding="utf-8")
    return 0


def one_size(
    instances: int, seconds: float, port: int, others: Mapping[str, str]
) -> dict[str, Any]:
    """Return what is used at one size, and the times of all queries by address."""
    print(f"{instances} instances …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="series-") as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        server = opened.enter_context(prometheus(folder, instances, port=port))
        server.wait_for_all()
        addresses = {"prometheus": server.url, **others}
        program = bin_folder(ROOT / ".run") / "thanos"
        if program.exists():
            addresses["thanos"] = opened.enter_context(thanos(program, server, folder))
        used = server.over(seconds)
        return {
            **asdict(used),
            "queries": {where: times(url) for where, url in addresses.items()},
        }


@contextlib.contextmanager
def thanos(program: Path, server: Running, folder: Path) -> Iterator[str]:
    """Run a sidecar beside a Prometheus and a Query over it; give the address of Query."""
    grpc, side, http, inner = (free_port() for _ in range(4))
    sidecar = [
        str(program),
        "sidecar",
        f"--prometheus.url={server.url}",
        f"--tsdb.path={folder / 'data'}",
        f"--grpc-address=127.0.0.1:{grpc}",
        f"--http-address=127.0.0.1:{side}",
    ]
    query = [
        str(program),
        "query",
        f"--endpoint=127.0.0.1:{grpc}",
        f"--grpc-address=127.0.0.1:{inner}",
        f"--http-address=127.0.0.1:{http}",
    ]
    url = f"http://127.0.0.1:{http}"
    with running(sidecar, f"http://127.0.0.1:{side}/-/ready"), running(query, f"{url}/-/ready"):
        asking, end = Prometheus(url), time.monotonic() + 60
        while not asking.instant("up", time.time() - INTERVAL):
            if time.monotonic() > end:
                raise SystemExit("Thanos Query finds no series of the sidecar")
            time.sleep(1)
        yield url


def queries(url: str) -> Iterator[Query]:
    """Yield the queries of all panels of all dashboards, with their variables as at first."""
    asking = Prometheus(url)
    boards, _ = read_dashboards(ROOT / "grafana" / "dashboards")
    span = TimeRange.parse(_RANGE, "now", time.time(), INTERVAL)
    for board in boards.values():
        variables = read_variables(board.variables, {}, asking, span)
        values = {each.name: each.value for each in variables}
        for panel in board.panels:
            points = {} if panel.points is None else {"points": panel.points}
            for target in panel.targets:
                yield Query(
                    f"{board.uid}: {panel.title} {target.get('refId', '')}",
                    filled(target["expr"], {**values, **span.globals(**points)}),
                    None if target.get("instant") else span.moments(**points),
                )


def times(url: str) -> dict[str, dict[str, float]]:
    """Return the seconds of each query, by its name: median and 95th percentile of some rounds."""
    asking, found = Prometheus(url), {}
    for each in queries(url):
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            if each.moments is None:
                asking.instant(each.expr, time.time())
            else:
                asking.range(each.expr, *each.moments)
            taken.append(time.perf_counter() - began)
        found[each.name] = {"p50": statistics.median(taken), "p95": percentile(taken, 95)}
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that as many percent of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def courses(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return by name what grows: series, and the value at them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        for name, value in (
            ("memory", run["memory"]),
            ("processor time", run["cpu"] / run["seconds"]),
            ("a scrape", run["scrape_seconds"]),
            ("rules", run["rules_seconds"]),
        ):
            found.setdefault(name, []).append((run["series"], value))
    for where in runs[0]["queries"]:
        for percent in (50, 95):
            found[f"queries through {where}, p{percent}"] = [
                (
                    run["series"],
                    percentile([each["p50"] for each in run["queries"][where].values()], percent),
                )
                for run in runs
            ]
    return found


def exponents(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return by name the exponent of growth from the smallest to the largest size."""
    return {name: exponent(points) for name, points in courses(runs).items()}


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return 1 for what grows as the series do, less for what grows slower."""
    (x, y), (more, higher) = points[0], points[-1]
    return math.log(higher / y) / math.log(more / x) if more > x and y > 0 else 0.0


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of what grew, then each query that grew faster than the series."""
    grown = courses(found["runs"])
    sizes = [f"{run['series']:,.0f}" for run in found["runs"]]
    yield f"| | {' | '.join(sizes)} | Exponent |"
    yield f"| --- |{' ---: |' * (len(sizes) + 1)}"
    for name, points in grown.items():
        shown = " | ".join(_shown(name, value) for _, value in points)
        yield f"| {name} | {shown} | {found['exponents'][name]:.2f} |"
    first, last = found["runs"][0], found["runs"][-1]
    for where, asked in last["queries"].items():
        for name, taken in asked.items():
            before = first["queries"][where].get(name, taken)
            grew = exponent([(first["series"], before["p50"]), (last["series"], taken["p50"])])
            if grew > 1:
                yield f"faster than the series, {where}: {name}: {grew:.2f}"


def _shown(name: str, value: float) -> str:
    if name == "memory":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:.3f} of one" if name == "processor time" else f"{value * 1000:,.1f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
