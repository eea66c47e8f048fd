"""Metrics of all workers of one gunicorn, exemplars included, on any worker's `/metrics`.

prometheus_client's own multiprocess mode loses exemplars and wants an environment variable. Here
each process counts in memory that is a file of a shared folder; the worker that is scraped reads
all of them. What a dead worker counted is kept in one file; its gauges go with it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, values

from stack.metrics.multiprocess import folder, garbage
from stack.metrics.multiprocess.scrape import SharedCollector
from stack.metrics.multiprocess.store import Store
from stack.metrics.multiprocess.value import shared_value

__all__ = [
    "close_directory",
    "install",
    "installed",
    "open_directory",
    "scrape_registry",
    "worker_exited",
]

_store: Store | None = None


def install() -> None:
    """Let every metric value made from now on be one that can be shared; further calls do nothing.

    Call it before the application creates metrics, in the process that will fork workers.
    """
    global _store  # noqa: PLW0603
    if _store is None:
        _store = Store()
        values.ValueClass = partial(shared_value, _store)
        garbage.watch()


def installed() -> bool:
    """Tell whether `install` was called."""
    return _store is not None


def open_directory() -> Path:
    """Make the shared folder and go on in it, with all that was counted; children will too.

    Folders that a killed gunicorn left behind are removed.

    Raises:
        RuntimeError: `install` was not called.
        OSError: the temporary folder cannot be written.
    """
    store = _installed()
    if store.directory is None:
        store.enter(folder.make())
    assert store.directory is not None  # noqa: S101 -- `enter` sets it or raises
    return store.directory


def close_directory() -> None:
    """Go on in this process's memory and remove the shared folder, if this process made it."""
    store = _installed()
    directory = store.directory
    if directory is not None:
        store.leave()
        folder.remove(directory)


def worker_exited(pid: int) -> None:
    """Keep what the dead process counted and forget its gauges; to be called by its parent."""
    directory = _installed().directory
    if directory is not None:
        folder.retire(directory, pid)


def scrape_registry() -> CollectorRegistry:
    """Return what `/metrics` has to show: all processes' series, or this one's without a folder."""
    directory = _store.directory if _store else None
    if directory is None:
        return REGISTRY
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SharedCollector(directory, REGISTRY))
    return registry


def _installed() -> Store:
    if _store is None:
        raise RuntimeError("metrics are not shared: call install() before the first metric is made")
    return _store
