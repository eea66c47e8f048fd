"""Locks that neither a signal handler nor a fork leaves held for ever.

A signal handler or a `__del__` may record while its own thread is recording, so locks are
reentrant. A fork copies the locks that other threads hold but not those threads, so a child
replaces its locks. Values of prometheus_client that a service writes itself are renewed in a child
too, if their registry is the default one; a signal handler must not write them.
"""

from __future__ import annotations

import os
import weakref
from threading import RLock
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.values import MutexValue


class HasLocks(Protocol):
    """What has locks of its own."""

    def renew_locks(self) -> None:
        """Replace them; called in a forked child, where no other thread runs yet."""


_holders: weakref.WeakSet[HasLocks] = weakref.WeakSet()
_registries: weakref.WeakSet[CollectorRegistry] = weakref.WeakSet()


def renew_in_children(holder: HasLocks) -> None:
    """Renew what an object locks with in every forked child, for as long as the object lives."""
    _holders.add(holder)


def renew_registry_in_children(registry: CollectorRegistry) -> None:
    """Renew the locks of a registry, its metrics and their values in every forked child."""
    _registries.add(registry)


def make_reentrant(family: MetricWrapperBase) -> None:
    """Let the making of a series be interrupted by the making of another one of the family."""
    family._lock = RLock()  # type: ignore[assignment]


def _renew() -> None:
    for holder in tuple(_holders):
        holder.renew_locks()
    for registry in tuple(_registries):
        registry._lock = RLock()  # type: ignore[assignment]
        for collector in registry._collector_to_names:
            if isinstance(collector, MetricWrapperBase):
                _renew_metric(collector)


def _renew_metric(metric: MetricWrapperBase) -> None:
    fields = vars(metric)
    if "_lock" in fields:
        make_reentrant(metric)
    for field in fields.values():
        for value in field if isinstance(field, list) else (field,):
            if isinstance(value, MutexValue):
                value._lock = RLock()  # type: ignore[assignment]
    for child in fields.get("_metrics", {}).values():
        _renew_metric(child)


os.register_at_fork(after_in_child=_renew)
