"""The constants of `stack size`, measured with real Prometheus and Jaeger; and its check.

    .venv/bin/python -m benchmarks.sizing           # measure and print, some three minutes
    .venv/bin/python -m benchmarks.sizing --write   # and write stack/ops/size/measured.yaml
    .venv/bin/python -m benchmarks.sizing --check   # predict other sizes, measure them, compare

Processor time is that of the process; nothing is taken from a clock but rates.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.fake_instances import samples, text_after, value_after
from benchmarks.instance import EXPOSED
from benchmarks.scraping import INTERVAL, ROOT, Scraped, block_bytes, prometheus
from benchmarks.spans import Stored, send
from stack.ops.binaries import find_binaries
from stack.ops.jaeger import VERSION as JAEGER
from stack.ops.size.constants import FILE, UNITS, read_constants
from stack.ops.size.model import Load, size

COMMAND = ".venv/bin/python -m benchmarks.sizing --write"
# Two sizes give what one more series takes, and what is there without any.
FEW, MANY = 50, 150
SECONDS, SETTLED = 40.0, 15.0
REQUESTS = (500, 3000)
# Instances and requests of the check: between, and beyond, what was measured.
CHECKED = ((25, 300), (100, 1500), (300, 6000))
_HOURS = 2
_IN_BLOCK = 10


def main() -> int:
    """Measure, and print or write; or check."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    parser.add_argument("--check", action="store_true", help="compare predictions with runs")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that each run lasts")
    asked = parser.parse_args()
    if asked.check:
        print("\n".join(checked(asked.seconds)))
        return 0
    found = measured(asked.seconds)
    for name, value in found.items():
        print(f"{name:<28}{value:>12.4g} {UNITS[name]}")
    if asked.write:
        write(found)
    return 0


def measured(seconds: float) -> dict[str, float]:
    """Return the constants that need no running stack."""
    few, many = scraped(FEW, seconds), scraped(MANY, seconds)
    instance = (many.series - few.series) / (MANY - FEW)
    memory = (many.memory - few.memory) / (many.series - few.series)
    processing = _cpu(few, many)
    less, more = spans(REQUESTS[0]), spans(REQUESTS[1])
    exposed = EXPOSED.read_text(encoding="utf-8")
    return {
        "series_per_instance": instance,
        "base_series": few.series - FEW * instance,
        "memory_per_series": memory,
        "base_memory": few.memory - few.series * memory,
        "disk_per_sample": in_a_block(),
        "wal_per_sample": many.wal / many.samples,
        "cpu_per_1000_samples": processing * 1000,
        "base_cpu": (few.cpu - processing * few.samples) / few.seconds,
        "scrape_per_series": len(text_after(samples(exposed), 3600)) / len(samples(exposed)),
        "spans_per_request": more.spans / more.requests,
        "wire_per_span": more.wire / more.spans,
        "disk_per_span": (more.disk - less.disk) / (more.spans - less.spans),
        "cpu_per_1000_spans": (more.cpu - less.cpu) / (more.spans - less.spans) * 1000,
    }


def _cpu(few: Scraped, many: Scraped) -> float:
    """Return the seconds of processor time that one more sample takes."""
    return (many.cpu / many.seconds - few.cpu / few.seconds) / (
        many.samples / many.seconds - few.samples / few.seconds
    )


def scraped(instances: int, seconds: float) -> Scraped:
    """Return what a new Prometheus uses when it has settled."""
    print(f"Prometheus, {instances} instances …", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="sizing-") as folder,
        prometheus(Path(folder), instances) as running,
    ):
        running.wait_for_all()
        time.sleep(min(SETTLED, seconds))
        return running.over(seconds)


def spans(requests: int) -> Stored:
    """Return what the spans of that many requests take in a new Jaeger."""
    print(f"Jaeger, {requests} requests …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="sizing-") as folder:
        return send(Path(folder), requests)


def in_a_block() -> float:
    """Return the bytes of a sample in blocks of two hours that promtool makes."""
    series = samples(EXPOSED.read_text(encoding="utf-8"))
    end = int(time.time()) // 7200 * 7200
    moments = range(end - _HOURS * 3600, end, int(INTERVAL))
    with tempfile.TemporaryDirectory(prefix="sizing-") as name:
        folder = Path(name)
        with (folder / "samples.txt").open("w", encoding="utf-8") as file:
            for each in sorted(series, key=lambda one: one.head):
                # Instances differ in their label alone: their values are compressed each by itself.
                for number in range(_IN_BLOCK):
                    head = each.head.replace("{", f'{{instance="{number}",', 1).replace(",}", "}")
                    file.writelines(
                        f"{head} {value_after(each, at - moments.start + 7 * number)!r} {at}\n"
                        for at in moments
                    )
            file.write("# EOF\n")
        tool = find_binaries(ROOT / ".run", lambda _: None).promtool
        blocks = ("tsdb", "create-blocks-from", "openmetrics")
        subprocess.run(  # noqa: S603 -- our own
            [str(tool), *blocks, str(folder / "samples.txt"), str(folder / "data")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return block_bytes(folder / "data")


def write(found: Mapping[str, float]) -> None:
    """Write the constants; what needs a running stack stays as it is."""
    text = FILE.read_text(encoding="utf-8")
    kept = yaml.safe_load(text)["constants"]
    listed = {
        name: {"unit": UNITS[name], "value": float(f"{value:.4g}"), "command": COMMAND}
        for name, value in found.items()
    }
    document = {
        "measured": {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "prometheus": _version(),
            "jaeger": JAEGER,
        },
        "constants": {name: listed.get(name) or kept[name] for name in UNITS},
    }
    header = "# Generated by `benchmarks.sizing --write`; do not edit.\n"
    FILE.write_text(header + yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _version() -> str:
    program = find_binaries(ROOT / ".run", lambda _: None).prometheus
    shown = subprocess.run(  # noqa: S603 -- our own
        [str(program), "--version"], capture_output=True, text=True, check=True
    )
    return (shown.stdout + shown.stderr).split()[2]


def checked(seconds: float) -> list[str]:
    """Return a table: what is predicted at three sizes, what is measured, and the error."""
    lines = [
        "| Instances | Requests | What | Predicted | Measured | Error |",
        "| ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for instances, requests in CHECKED:
        for what, predicted, found in compared(instances, requests, seconds):
            lines.append(
                f"| {instances} | {requests:,} | {what} | {predicted:,.4g} | {found:,.4g} "
                f"| {(predicted - found) / found:+.1%} |"
            )
    return lines


def compared(instances: int, requests: int, seconds: float) -> list[tuple[str, float, float]]:
    """Return what is predicted and what is measured for one size, by name."""
    of = {name: each.value for name, each in read_constants().items()}
    # Alertmanager and Jaeger are not scraped here.
    of["component_series"] = 0.0
    runs, sent = scraped(instances, seconds), spans(requests)
    # As many requests a second as there are here in all: what a second takes is what they take.
    size_of = size(Load(services=1, instances=instances, rps=requests, interval=INTERVAL), of)
    return [
        ("series", size_of.series, runs.series),
        ("samples/s", size_of.samples_per_second, runs.samples / runs.seconds),
        ("Prometheus memory, MB", size_of.prometheus_memory / 1e6, runs.memory / 1e6),
        ("Prometheus CPU, processors", size_of.prometheus_cpu, runs.cpu / runs.seconds),
        ("log, B a sample", of["wal_per_sample"], runs.wal / runs.samples),
        ("spans", size_of.spans_per_second, sent.spans),
        ("spans on the wire, MB", size_of.span_bytes_per_second / 1e6, sent.wire / 1e6),
        (
            "spans on disk, MB",
            size_of.spans_per_second * of["disk_per_span"] / 1e6,
            sent.disk / 1e6,
        ),
        ("Jaeger CPU, s", size_of.jaeger_cpu, sent.cpu),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
