"""A real Prometheus with the project's rules that scrapes many instances, and what it uses."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import yaml

from benchmarks.fake_instances import Served, samples, serving
from benchmarks.history import send_history
from benchmarks.instance import ACCEPT, EXPOSED
from benchmarks.programs import cpu_seconds, running
from stack.ops.binaries import find_binaries
from stack.ops.ports import free_port

ROOT = Path(__file__).parents[1]
SERVICES = ("gateway", "retrieval", "llm", "inbox")
INTERVAL = 5.0
_JOB = 'job="services"'


@dataclass(frozen=True, slots=True)
class Scraped:
    """What a Prometheus used in a time in which it scraped.

    Args:
        instances: that it scraped.
        series: in its head.
        samples: appended in the time.
        seconds: that the time was long.
        memory: resident, in bytes, at its most in the time.
        cpu: seconds of processor time.
        wal: bytes that the write-ahead log grew by.
        scrape: bytes that one scrape of an instance brought.
        own_scrape: bytes that a scrape of itself brings, compressed.
        scrape_seconds: how long a scrape took, in the mean.
        rules_seconds: how long all groups of rules took, once each.
    """

    instances: int
    series: float
    samples: float
    seconds: float
    memory: float
    cpu: float
    wal: float
    scrape: float
    own_scrape: float
    scrape_seconds: float
    rules_seconds: float


@contextlib.contextmanager
def prometheus(
    folder: Path, instances: int, *, port: int = 0, history: float = 0.0
) -> Iterator[Running]:
    """Run it, scraping that many instances every five seconds, and itself.

    Args:
        folder: for its configuration and data.
        instances: that it scrapes.
        port: to listen on; any by default.
        history: seconds of earlier samples of all instances that are in its head before it begins.
    """
    port = port or free_port()
    exposed = EXPOSED.read_text(encoding="utf-8")
    with serving(exposed) as served:
        config = _config(served.address, f"127.0.0.1:{port}", instances)
        file = folder / "prometheus.yml"
        # What is scraped would be newer than the history, which then would be refused.
        file.write_text("" if history else yaml.safe_dump(config), encoding="utf-8")
        command = [
            str(find_binaries(ROOT / ".run", lambda _: None).prometheus),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            # As Thanos' sidecar wants it: no compaction of its own.
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
            "--web.enable-admin-api",
            "--web.enable-remote-write-receiver",
        ]
        url = f"http://127.0.0.1:{port}"
        with running(command, f"{url}/-/ready") as process:
            if history:
                send_history(url, samples(exposed), _instances(instances), history, INTERVAL)
                file.write_text(yaml.safe_dump(config), encoding="utf-8")
                process.send_signal(signal.SIGHUP)
            yield Running(url, process, folder / "data", instances, served)


def _instances(count: int) -> list[dict[str, str]]:
    return [
        {
            "instance": f"instance-{number}:80",
            "job": "services",
            "service": SERVICES[number % len(SERVICES)],
        }
        for number in range(count)
    ]


def _config(address: str, own: str, instances: int) -> dict[str, object]:
    every = f"{INTERVAL:g}s"
    targets = [
        {
            "targets": [each["instance"]],
            "labels": {"service": each["service"], "__metrics_path__": f"/{number}/metrics"},
        }
        for number, each in enumerate(_instances(instances))
    ]
    return {
        "global": {
            "scrape_interval": every,
            "evaluation_interval": every,
            "external_labels": {"stack": "sizing"},
        },
        "rule_files": [str(ROOT / "prometheus" / "rules" / "*.rules.yml")],
        "scrape_configs": [
            {
                "job_name": "services",
                "static_configs": targets,
                # All are served at one address; each keeps its name.
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": address},
                ],
            },
            {
                "job_name": "prometheus",
                "static_configs": [{"targets": [own], "labels": {"service": "prometheus"}}],
            },
        ],
    }


@dataclass(frozen=True, slots=True)
class Running:
    """A Prometheus that scrapes."""

    url: str
    process: psutil.Process
    data: Path
    instances: int
    served: Served

    def ask(self, query: str) -> float:
        """Return the first value of the answer; 0 where there is none."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=60)
        found = answer.json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def own(self, name: str) -> float:
        """Return the sum of a metric of Prometheus' own, as it is now."""
        text = httpx.get(f"{self.url}/metrics", timeout=60).text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    def wait_for_all(self, seconds: float = 120) -> None:
        """Wait until every instance has been scraped.

        Raises:
            SystemExit: that takes too long.
        """
        end = time.monotonic() + seconds
        while self.ask(f"sum(up{{{_JOB}}})") < self.instances:
            if time.monotonic() > end:
                raise SystemExit(f"{self.instances} instances are not up after {seconds:g} s")
            time.sleep(1)

    def over(self, seconds: float) -> Scraped:
        """Return what it uses in the seconds that follow."""
        appended = "prometheus_tsdb_head_samples_appended_total"
        began, cpu, wal = time.monotonic(), cpu_seconds(self.process), self._wal()
        appended_before, memory = self.own(appended), 0
        answers, sent = self.served.answers, self.served.sent
        while time.monotonic() < began + seconds:
            time.sleep(1)
            memory = max(memory, self.process.memory_info().rss)
        used = cpu_seconds(self.process) - cpu
        return Scraped(
            instances=self.instances,
            series=self.own("prometheus_tsdb_head_series"),
            samples=self.own(appended) - appended_before,
            seconds=time.monotonic() - began,
            memory=memory,
            cpu=used,
            wal=self._wal() - wal,
            scrape=(self.served.sent - sent) / (self.served.answers - answers),
            own_scrape=self._own_scrape(),
            scrape_seconds=self.ask(f"avg(scrape_duration_seconds{{{_JOB}}})"),
            rules_seconds=self.own("prometheus_rule_group_last_duration_seconds"),
        )

    def block(self) -> float:
        """Write all samples of the head into a block; return the bytes a sample takes in it."""
        answer = httpx.post(f"{self.url}/api/v1/admin/tsdb/snapshot", timeout=120)
        answer.raise_for_status()
        return block_bytes(self.data / "snapshots" / answer.json()["data"]["name"])

    def _own_scrape(self) -> int:
        headers = {"accept": ACCEPT, "accept-encoding": "gzip"}
        with httpx.stream("GET", f"{self.url}/metrics", headers=headers, timeout=60) as answer:
            return sum(len(part) for part in answer.iter_raw())

    def _wal(self) -> int:
        return sum(each.stat().st_size for each in (self.data / "wal").glob("0*"))


def block_bytes(folder: Path) -> float:
    """Return the bytes a sample of the blocks of a folder takes, index and all."""
    blocks = [each.parent for each in folder.glob("*/meta.json")]
    samples = sum(
        json.loads((each / "meta.json").read_text())["stats"]["numSamples"] for each in blocks
    )
    whole = sum(
        path.stat().st_size for each in blocks for path in each.rglob("*") if path.is_file()
    )
    return float(whole / samples)
