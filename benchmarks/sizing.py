"""The constants of `stack size`, measured with real Prometheus and Jaeger; and its check.

    .venv/bin/python -m benchmarks.sizing           # measure and print, some ten minutes
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

from benchmarks.fake_instances import samples, value_after
from benchmarks.instance import EXPOSED
from benchmarks.scraping import INTERVAL, ROOT, Scraped, block_bytes, prometheus
from benchmarks.spans import Stored, send
from stack.ops.binaries import find_binaries
from stack.ops.jaeger import VERSION as JAEGER
from stack.ops.size.constants import FILE, UNITS, read_constants
from stack.ops.size.model import HEAD_SECONDS, Load, size

COMMAND = ".venv/bin/python -m benchmarks.sizing --write"
# Two sizes give what one more series takes, and what is there without any.
FEW, MANY = 20, 80
# Prometheus writes the chunks of its history to a file within a minute, then frees their memory.
SECONDS, SETTLED = 30.0, 75.0
# The head of a Prometheus that has run for hours holds between one and three of them.
HISTORY = 7200.0
# Jaeger's memory is full after some 45,000 spans.
REQUESTS = (5000, 10000)
# Instances and requests of the check: below, between and beyond what was measured.
CHECKED = ((10, 5000), (40, 7500), (120, 15000))
PROMETHEUS_CPU, JAEGER_CPU = "Prometheus CPU, processors", "Jaeger CPU, processors"
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
    (few, _), (many, _) = scraped(FEW, seconds), scraped(MANY, seconds)
    instance = (many.series - few.series) / (MANY - FEW)
    memory = (many.memory - few.memory) / (many.series - few.series)
    processing = _cpu(few, many)
    less, more = spans(REQUESTS[0]), spans(REQUESTS[1])
    return {
        "series_per_instance": instance,
        "base_series": few.series - FEW * instance,
        "memory_per_series": memory,
        "base_memory": few.memory - few.series * memory,
        "disk_per_sample": in_a_block(),
        "wal_per_sample": many.wal / many.samples,
        "cpu_per_1000_samples": processing * 1000,
        "base_cpu": (few.cpu - processing * few.samples) / few.seconds,
        "scrape_per_instance": many.scrape,
        "base_scrape": many.own_scrape,
        "spans_per_request": more.spans / more.requests,
        "wire_per_span": more.wire / more.spans,
        "jaeger_memory": more.memory,
        "disk_per_span": (more.disk - less.disk) / (more.spans - less.spans),
        "cpu_per_1000_spans": (more.cpu - less.cpu) / (more.spans - less.spans) * 1000,
    }


def _cpu(few: Scraped, many: Scraped) -> float:
    """Return the seconds of processor time that one more sample takes."""
    return (many.cpu / many.seconds - few.cpu / few.seconds) / (
        many.samples / many.seconds - few.samples / few.seconds
    )


def scraped(instances: int, seconds: float) -> tuple[Scraped, float]:
    """Return what a Prometheus of two hours uses, and the bytes of a sample in its block."""
    print(f"Prometheus, {instances} instances …", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="sizing-") as folder,
        prometheus(Path(folder), instances, history=HISTORY) as running,
    ):
        running.wait_for_all()
        time.sleep(SETTLED)
        return running.over(seconds), running.block()


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
                    metric, _, labels = each.head.partition("{")
                    head = f'{metric}{{instance="{number}"' + (f",{labels}" if labels else "}")
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
    of["component_series"] = of["component_scrape"] = 0.0
    (runs, per_sample), sent = scraped(instances, seconds), spans(requests)
    load = Load(services=1, instances=instances, rps=requests / sent.seconds, interval=INTERVAL)
    size_of = size(load, of)
    samples_per_second = runs.samples / runs.seconds
    spans_per_second = sent.spans / sent.seconds
    kept = load.retention * per_sample + HEAD_SECONDS * runs.wal / runs.samples
    return [
        ("series", size_of.series, runs.series),
        ("samples/s", size_of.samples_per_second, samples_per_second),
        ("Prometheus memory, MB", size_of.prometheus_memory / 1e6, runs.memory / 1e6),
        (
            "Prometheus disk, 30d, GB",
            size_of.prometheus_disk / 1e9,
            samples_per_second * kept / 1e9,
        ),
        (PROMETHEUS_CPU, size_of.prometheus_cpu, runs.cpu / runs.seconds),
        (
            "scrapes, kB/s",
            size_of.scrape_bytes_per_second / 1e3,
            (runs.scrape * instances + runs.own_scrape) / INTERVAL / 1e3,
        ),
        ("spans/s", size_of.spans_per_second, spans_per_second),
        ("Jaeger memory, MB", size_of.jaeger_memory / 1e6, sent.memory / 1e6),
        (
            "Jaeger disk, 72h, GB",
            size_of.jaeger_disk / 1e9,
            spans_per_second * load.trace_retention * sent.disk / sent.spans / 1e9,
        ),
        (JAEGER_CPU, size_of.jaeger_cpu, sent.cpu / sent.seconds),
        (
            "spans on the wire, kB/s",
            size_of.span_bytes_per_second / 1e3,
            sent.wire / sent.seconds / 1e3,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
