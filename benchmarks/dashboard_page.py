"""How long a dashboard takes in the console, against Prometheus with 24 hours of data.

    make up MODE=local
    .venv/bin/python -m benchmarks.dashboard_page

The series are those of the running stack, repeated for a day at its own scrape interval; they are
written to blocks of their own, which another Prometheus reads. Needs a minute for each million
samples or so, and Chromium for the time in a browser.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import httpx

from benchmarks.programs import running
from stack.ops import modes
from stack.ops.binaries import find_binaries
from stack.ops.components import GUNICORN, ONE_WORKER, Plan
from stack.ops.console.dashboard import read_dashboards
from stack.ops.ports import free_port
from stack.ops.terminal import plan_in

HOURS = 24
INTERVAL = 5
BLOCK = 2 * 3600
ROUNDS = 5
_COUNTERS = ("_total", "_count", "_sum", "_bucket")


def main() -> int:
    """Write a day, show every dashboard of it, print how long each took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dashboard_page", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--interval", type=int, default=INTERVAL, help="seconds between samples")
    asked = parser.parse_args()
    run_dir = os.environ.get("STACK_RUN_DIR")
    plan = modes.running_plan(plan_in(Path(run_dir) if run_dir else None))
    if plan is None or plan.mode != "local":
        parser.error("nothing runs whose series could be repeated; `make up MODE=local` starts it")
    with tempfile.TemporaryDirectory(prefix="dashboard-page-") as name:
        folder = Path(name)
        samples = write_day(plan, folder, asked.hours, asked.interval)
        with prometheus(plan, folder) as url, console(plan, url) as address:
            print(f"{samples:,} samples of {asked.hours} h, {os.cpu_count()} processors\n")
            print(f"{'dashboard':<18}{'panels':>7}{'queries':>8}{'server':>10}{'browser':>10}")
            for row in measured(plan, address, asked.hours):
                print(row, flush=True)
    return 0


def write_day(plan: Plan, folder: Path, hours: int, interval: int) -> int:
    """Write what the stack's series could have been; return how many samples that is."""
    answer = httpx.get(
        plan.url("PROMETHEUS_PORT", "/api/v1/query"), params={"query": '{__name__!=""}'}, timeout=30
    )
    series = sorted(answer.json()["data"]["result"], key=lambda each: each["metric"]["__name__"])
    end = int(time.time()) // interval * interval
    count, tool = 0, find_binaries(plan.run_dir, lambda _: None).promtool
    text = folder / "samples.txt"
    for begin in range(end - hours * 3600, end, BLOCK):
        moments = range(begin, min(begin + BLOCK, end), interval)
        with text.open("w", encoding="utf-8") as file:
            for each in series:
                _write(file, each["metric"], float(each["value"][1]), moments, end - hours * 3600)
            file.write("# EOF\n")
        count += len(series) * len(moments)
        blocks = ("tsdb", "create-blocks-from", "openmetrics")
        command = [str(tool), *blocks, str(text), str(folder / "data")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own
        print(f"{count:,} samples written", file=sys.stderr)
    text.unlink()
    return count


def _write(
    file: TextIO, labels: Mapping[str, str], value: float, moments: Sequence[int], start: int
) -> None:
    name = labels["__name__"]
    # Names are quoted, for some have dots.
    pairs = (f'"{key}"="{_escaped(text)}"' for key, text in labels.items() if key != "__name__")
    head = f"{name}{{{','.join(pairs)}}}"
    growth = value / 3600 if name.endswith(_COUNTERS) else 0.0
    file.writelines(f"{head} {value + growth * (at - start):.6g} {at}\n" for at in moments)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@contextlib.contextmanager
def prometheus(plan: Plan, folder: Path) -> Iterator[str]:
    """Run a Prometheus that has the day and scrapes nothing."""
    config, port = folder / "prometheus.yml", free_port()
    config.write_text("global: {}\n", encoding="utf-8")
    command = [
        str(find_binaries(plan.run_dir, lambda _: None).prometheus),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, f"http://127.0.0.1:{port}/-/ready", os.environ):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def console(plan: Plan, url: str) -> Iterator[str]:
    """Run a console that asks it."""
    port = free_port()
    bind = f"--bind=127.0.0.1:{port}"
    command = [*GUNICORN, *ONE_WORKER, bind, "stack.ops.console.app:create_app()"]
    files = str(plan.config / "grafana")
    environment = {**os.environ, "GRAFANA_CONFIG_DIR": files, "METRICS_URL": url}
    with running(command, f"http://127.0.0.1:{port}/healthz", environment):
        yield f"http://127.0.0.1:{port}"


def measured(plan: Plan, address: str, hours: int) -> Iterator[str]:
    """Yield a line for each dashboard: the median of some rounds, after one that does not count."""
    with contextlib.ExitStack() as opened:
        page = _page(opened)
        boards, _ = read_dashboards(plan.config / "grafana" / "dashboards")
        for board in boards.values():
            where = f"{address}/d/{board.uid}?from=now-{hours}h&to=now"
            server = _median(partial(_answered, where))
            seen = f"{_median(partial(_shown, page, where)):.2f} s" if page else "–"
            panels = [each for each in board.panels if each.kind != "row"]
            queries = sum(len(each.targets) for each in panels)
            yield f"{board.title:<18}{len(panels):>7}{queries:>8}{server:>8.2f} s{seen:>10}"


def _answered(where: str) -> None:
    httpx.get(where, timeout=60).raise_for_status()


def _page(opened: contextlib.ExitStack) -> Any:
    program = shutil.which("chromium")
    if program is None:
        return None
    from playwright.sync_api import sync_playwright

    playwright = opened.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    opened.callback(browser.close)
    return browser.new_page(viewport={"width": 1920, "height": 1080})


def _shown(page: Any, where: str) -> None:
    page.goto(where, timeout=60_000)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def _median(work: Callable[[], None]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    raise SystemExit(main())
