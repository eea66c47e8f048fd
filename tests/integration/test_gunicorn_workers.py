"""Four workers of a real gunicorn, scraped by a real Prometheus, are one service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from stack.ops.binaries import find_binaries
from stack.ops.ports import free_port
from tests.integration.conftest import ROOT, shared_binaries, until

WORKERS = 4

CONFIG = """
global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}
scrape_configs:
  - job_name: workers
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Service:
    """The service under gunicorn, and the Prometheus that scrapes it."""

    def __init__(self, port: int, prometheus_port: int, process: subprocess.Popen[bytes]) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._prometheus = f"http://127.0.0.1:{prometheus_port}"
        self.process = process
        self.http = httpx.Client(timeout=5.0)

    def work(self, _: object = None) -> int | None:
        """Make one request on a connection of its own; return the worker's pid, None if it died."""
        try:
            answer = httpx.get(f"{self.base}/work", timeout=10.0)
        except httpx.TransportError:
            return None
        pid: int = answer.json()["pid"]
        return pid

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def query(self, expression: str) -> dict[str, float]:
        """Return values by the `worker` or `pid` label, or by nothing."""
        answer = self.http.get(f"{self._prometheus}/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        return {
            row["metric"].get("worker", row["metric"].get("pid", "")): float(row["value"][1])
            for row in answer.json()["data"]["result"]
        }

    def value(self, expression: str) -> float:
        return next(iter(self.query(expression).values()), 0.0)

    def exemplars(self, expression: str) -> dict[str, set[str]]:
        """Return trace ids by the `worker` label."""
        answer = self.http.get(
            f"{self._prometheus}/api/v1/query_exemplars",
            params={"query": expression, "start": "2020-01-01T00:00:00Z", "end": 4102444800},
        )
        answer.raise_for_status()
        found: dict[str, set[str]] = {}
        for series in answer.json()["data"]:
            ids = {each["labels"]["trace_id"] for each in series["exemplars"]}
            found.setdefault(series["seriesLabels"].get("worker", ""), set()).update(ids)
        return found


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the block; its output is in `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(params=[(), ("--preload",)], ids=["late", "preload"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    port, prometheus_port = free_port(), free_port()
    binaries = find_binaries(shared_binaries().parent, lambda _: None)
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=port), encoding="utf-8")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    gunicorn = [
        *(sys.executable, "-m", "gunicorn", "-c", "python:stack.web.gunicorn"),
        *("--workers", str(WORKERS), "--worker-class", "gthread", "--threads", "2"),
        *("--bind", f"127.0.0.1:{port}", "--graceful-timeout", "5", *request.param),
        "tests.integration.workers_app:app",
    ]
    prometheus: list[str | Path] = [
        binaries.prometheus,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}",
        "--enable-feature=exemplar-storage",
    ]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (
        running(gunicorn, tmp_path / "gunicorn.log", cwd=ROOT, env=environment) as master,
        running(prometheus, tmp_path / "prometheus.log", cwd=binaries.directory),
    ):
        found = Service(port, prometheus_port, master)
        until(lambda: found.value("up") == 1, "the service is scraped")
        until(lambda: len(found.workers()) == WORKERS, "all workers run")
        yield found
        found.http.close()
    # The shared folder goes with its owner.
    assert list(temporary.iterdir()) == []


def test_four_workers_are_one_service(service: Service) -> None:
    requests = 0
    by_worker: Counter[int] = Counter()
    with ThreadPoolExecutor(16) as pool:
        while len(by_worker) < WORKERS and requests < 2000:
            answers = list(pool.map(service.work, range(50)))
            assert None not in answers
            by_worker.update(pid for pid in answers if pid)
            requests += len(answers)
    assert set(by_worker) == service.workers()

    # Sums are right, by worker and all together, however a scrape is answered.
    counted = {str(pid): float(count) for pid, count in by_worker.items()}
    until(lambda: service.query("work_total") == counted, f"{counted} are counted")
    calls = 'circuit_breaker_calls_total{component="peer",outcome="success"}'
    served = 'http_server_request_duration_seconds_count{http_route="/work"}'
    assert service.value(calls) == requests
    assert service.value(served) == requests

    # Exemplars of every worker are in Prometheus, each of a trace of its own.
    until(lambda: set(service.exemplars("work_total")) == set(counted), "exemplars of all workers")
    traces = service.exemplars("work_total")
    assert len(set.union(*traces.values())) >= WORKERS
    assert service.exemplars("http_server_request_duration_seconds_bucket")
    assert service.exemplars("circuit_breaker_call_duration_seconds_bucket")

    # One state of one breaker, one gauge of each living worker.
    assert service.value('circuit_breaker_state{state="closed"}') == 1
    assert set(service.query("worker_alive")) == set(counted)

    # Garbage collections of all processes are added.
    before = service.value('python_gc_collections_total{generation="2"}')
    for _ in range(5):
        httpx.get(f"{service.base}/collect", timeout=10.0)
    until(
        lambda: service.value('python_gc_collections_total{generation="2"}') >= before + 5,
        "collections are counted",
    )

    # A worker that dies in the middle of its writes leaves its counts; its gauge goes.
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{service.base}/die", timeout=10.0)
    until(
        lambda: len(service.workers()) == WORKERS and service.workers() != set(by_worker),
        "the dead worker is replaced",
    )
    (dead,) = set(by_worker) - service.workers()
    counted[str(dead)] += 1
    until(lambda: service.query("work_total") == counted, "the dead worker's counts are kept")
    until(lambda: str(dead) not in service.query("worker_alive"), "the dead worker's gauge is gone")
    assert set(service.query("worker_alive")) >= set(counted) - {str(dead)}
    assert service.value("up") == 1
    assert service.value(calls) == requests
    assert "torn" not in str(service.exemplars("work_total"))
    assert "torn" not in httpx.get(f"{service.base}/metrics", timeout=10.0).text


def test_workers_killed_under_load_lose_no_answered_request(service: Service) -> None:
    rounds, each = 6, 60
    answered = 0
    with ThreadPoolExecutor(16) as pool:
        for _ in range(rounds):
            waiting = [pool.submit(service.work) for _ in range(each)]
            os.kill(next(iter(service.workers())), signal.SIGKILL)
            answered += sum(future.result() is not None for future in waiting)
            until(lambda: len(service.workers()) == WORKERS, "the killed worker is replaced")
    # A request may have been counted by a worker that was killed before its answer was sent.
    until(
        lambda: answered <= service.value("sum(work_total)") <= rounds * each,
        f"between {answered} and {rounds * each} requests are counted",
    )
    assert answered > rounds * each / 2
    # The count never went down while workers came and went.
    assert service.value("resets(sum(work_total)[1m:300ms])") == 0
    # A scrape fails only where it was at the worker that was killed.
    failed = service.value("count_over_time(up[1m]) - sum_over_time(up[1m])")
    assert failed <= rounds
