"""Processes that fork share their metrics: sums are right, the dead are remembered rightly."""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.samples import Exemplar

from stack.metrics.multiprocess import folder
from stack.metrics.multiprocess.exemplars import MAX_LABELS, pack, unpack
from stack.metrics.multiprocess.merge import merge
from stack.metrics.multiprocess.processes import alive, name_of_this
from stack.metrics.multiprocess.series import encode, parse
from stack.metrics.multiprocess.store import Store
from stack.metrics.multiprocess.value import shared_value

Metrics = tuple[Counter, Gauge, Histogram]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(
        values, "ValueClass", lambda typ, *args, **kw: shared_value(made, typ, *args, **kw)
    )
    return made


@pytest.fixture
def metrics(store: Store) -> Metrics:
    registry = CollectorRegistry()
    return (
        Counter("jobs_total", "Jobs.", ("kind",), registry=registry),
        Gauge("busy", "Busy.", registry=registry, multiprocess_mode="livesum"),
        Histogram("size", "Size.", registry=registry, buckets=(1, 2)),
    )


def in_child(work: Callable[[], None]) -> int:
    """Fork a child that works and then waits to be killed; return its pid."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(writing, b"x")
        os.close(writing)
        while True:
            os.read(os.pipe()[0], 1)
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def samples(directory: Path, owner: str = "") -> dict[str, float]:
    processes = folder.read(directory)
    living = frozenset(each.name for each in processes if alive(each.name))
    merged = merge(processes, living, owner)
    return {
        s.name + "".join(f"{{{k}={v}}}" for k, v in s.labels.items()): s.value
        for metric in merged
        for s in metric.samples
    }


def test_children_count_from_zero_and_are_added(
    store: Store, metrics: Metrics, tmp_path: Path
) -> None:
    """What the parent counted stays the parent's; the merge has both."""
    jobs, _, size = metrics
    jobs.labels("a").inc(5)
    store.enter(tmp_path)

    def work() -> None:
        assert jobs.labels("a")._value.get() == 0
        jobs.labels("a").inc(2)
        jobs.labels("b").inc()
        size.observe(1.5)

    pids = [in_child(work) for _ in range(3)]
    try:
        seen = samples(tmp_path)
    finally:
        for pid in pids:
            kill(pid)
    assert seen["jobs_total{kind=a}"] == 11
    assert seen["jobs_total{kind=b}"] == 3
    assert (seen["size_bucket{le=1.0}"], seen["size_bucket{le=2.0}"]) == (0, 3)
    assert (seen["size_count"], seen["size_sum"]) == (3, 4.5)


def test_a_dead_workers_counters_stay_and_its_gauges_go(
    store: Store, metrics: Metrics, tmp_path: Path
) -> None:
    """Before and after its files are folded into those of the dead."""
    jobs, busy, _ = metrics
    store.enter(tmp_path)

    def work() -> None:
        jobs.labels("a").inc()
        busy.inc(7)

    pid = in_child(work)
    assert samples(tmp_path)["busy"] == 7
    kill(pid)
    assert "busy" not in {k for k, v in samples(tmp_path).items() if v == 7}
    assert samples(tmp_path)["jobs_total{kind=a}"] == 1
    folder.retire(tmp_path, pid)
    assert not list(tmp_path.glob(f"{pid}-*"))
    assert samples(tmp_path)["jobs_total{kind=a}"] == 1


@pytest.mark.parametrize(
    ("mode", "expected"), [("max", 9.0), ("min", 2.0), ("livesum", 11.0), ("livemax", 9.0)]
)
def test_gauges_are_merged_by_their_mode(
    store: Store, tmp_path: Path, mode: str, expected: float
) -> None:
    """The owner, which serves nothing, counts only where no worker has set the gauge."""
    gauge = Gauge(
        "level",
        "Level.",
        registry=CollectorRegistry(),
        multiprocess_mode=mode,  # type: ignore[arg-type]
    )
    gauge.set(100)
    store.enter(tmp_path)
    assert samples(tmp_path, owner=name_of_this())["level"] == 100
    pids = [in_child(lambda: gauge.set(9)), in_child(lambda: gauge.set(2))]
    try:
        assert samples(tmp_path, owner=name_of_this())["level"] == expected
    finally:
        for pid in pids:
            kill(pid)


def test_exemplars_of_all_processes_survive(store: Store, metrics: Metrics, tmp_path: Path) -> None:
    """The newest of a bucket is shown, also when its worker is dead and folded."""
    _, _, size = metrics
    store.enter(tmp_path)
    pid = in_child(lambda: size.observe(1.5, {"trace_id": "abc"}))
    kill(pid)
    folder.retire(tmp_path, pid)
    merged = merge(folder.read(tmp_path), frozenset(), "")
    found = [s.exemplar for metric in merged for s in metric.samples if s.exemplar]
    assert [each.labels for each in found] == [{"trace_id": "abc"}]


def test_a_half_written_exemplar_is_skipped() -> None:
    """Every cut of a slot, and every damaged byte, is known as such."""
    slot = pack(Exemplar({"trace_id": "a" * 32}, 1.5, 100.0))
    assert slot is not None
    assert unpack(slot + bytes(8)) == Exemplar({"trace_id": "a" * 32}, 1.5, 100.0)
    for cut in range(len(slot)):
        assert unpack(slot[:cut] + bytes(200)) is None
    assert pack(Exemplar({"k": "v" * (MAX_LABELS + 1)}, 1.0)) is None


def test_a_half_written_line_of_keys_is_skipped() -> None:
    """A worker killed in the middle of a write costs that series alone."""
    line = encode(3, '["counter","a","a_total",[],"A.",""]').rstrip(b"\n")
    assert parse(line) is not None
    assert all(parse(line[:cut]) is None for cut in range(len(line)))


def test_removed_series_give_their_cells_back(store: Store, tmp_path: Path) -> None:
    """Series that come and go take no more memory than those alive at once."""
    jobs = Counter("jobs_total", "Jobs.", ("kind",), registry=CollectorRegistry())
    store.enter(tmp_path)
    for number in range(20_000):
        jobs.labels(str(number)).inc()
        jobs.remove(str(number))
    gc.collect()
    assert store._used < 100
    jobs.labels("last").inc()
    assert samples(tmp_path) == {"jobs_total{kind=last}": 1}


def test_memory_grows_without_losing_a_count(store: Store, tmp_path: Path) -> None:
    """Also while it is a file that others read."""
    store.enter(tmp_path)
    jobs = Counter("jobs_total", "Jobs.", ("kind",), registry=CollectorRegistry())
    for number in range(10_000):
        jobs.labels(str(number)).inc(number)
    assert samples(tmp_path)["jobs_total{kind=9999}"] == 9999
    assert len(samples(tmp_path)) == 10_000


def test_a_folder_that_vanishes_does_not_stop_the_counting(store: Store, tmp_path: Path) -> None:
    """Metrics never break what they measure."""
    store.enter(tmp_path)
    jobs = Counter("jobs_total", "Jobs.", ("kind",), registry=CollectorRegistry())
    for path in tmp_path.iterdir():
        path.unlink()
    jobs.labels("a").inc()
    assert jobs.labels("a")._value.get() == 1


def test_folders_of_killed_owners_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next start clears what a killed one left; those of the living stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "stack-metrics-1-1-x"
    living = tmp_path / f"stack-metrics-{name_of_this()}-x"
    dead.mkdir()
    living.mkdir()
    made = folder.make()
    assert made.stat().st_mode & 0o777 == 0o700
    assert sorted(tmp_path.iterdir()) == sorted([living, made])
    folder.remove(made)
    assert not made.exists()


def test_installing_is_what_shares_and_nothing_needs_the_environment() -> None:
    """A fresh process that installs, opens and forks shows both processes' counts."""
    script = """
import os
from stack.metrics import multiprocess
multiprocess.install()
from prometheus_client import Counter, generate_latest
jobs = Counter("jobs_total", "Jobs.")
multiprocess.open_directory()
pid = os.fork()
jobs.inc()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
multiprocess.worker_exited(pid)
print(generate_latest(multiprocess.scrape_registry()).decode())
multiprocess.close_directory()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert "\njobs_total 2.0\n" in ended.stdout
    assert "\nprocess_cpu_seconds_total" in ended.stdout
