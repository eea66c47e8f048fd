"""prometheus_client's value, kept in a store that other processes read."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.samples import Exemplar

from stack.metrics.multiprocess.exemplars import pack, unpack
from stack.metrics.multiprocess.series import describe
from stack.metrics.multiprocess.store import Store


class SharedValue:
    """One number of a counter, summary or histogram, and its exemplar. Thread-safe, fork-safe."""

    __slots__ = ("_cell", "_store")

    _multiprocess = True

    def __init__(  # noqa: PLR0917 -- the arguments that prometheus_client gives by position
        self,
        store: Store,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_: object,
    ) -> None:
        self._store = store
        self._cell = store.add(
            describe(typ, metric_name, name, labelnames, labelvalues, help_text, multiprocess_mode),
            gauge=typ == "gauge",
        )

    def inc(self, amount: float) -> None:
        """Add `amount`, which may be negative."""
        store = self._store
        with store.lock:
            store.cells[self._cell] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the number; `timestamp` is of no meaning here."""
        store = self._store
        with store.lock:
            store.cells[self._cell] = value

    def get(self) -> float:
        """Return the number of this process."""
        store = self._store
        with store.lock:
            return store.cells[self._cell]

    def set_exemplar(self, exemplar: Exemplar) -> None:
        """Replace the exemplar; one with too long labels is left out."""
        slot = pack(exemplar)
        if slot is not None:
            self._store.write_slot(self._cell, slot)

    def get_exemplar(self) -> Exemplar | None:
        """Return the exemplar of this process, if any."""
        slot = self._store.read_slot(self._cell)
        return unpack(slot) if slot else None

    def __del__(self) -> None:
        # A value that was never finished has no cell.
        if hasattr(self, "_cell"):
            self._store.release(self._cell)


class SharedGauge(SharedValue):
    """One number of a gauge, and when it was set: 0 for never in this process."""

    __slots__ = ()

    def inc(self, amount: float) -> None:
        """Add `amount`, which may be negative."""
        store = self._store
        with store.lock:
            store.cells[self._cell] += amount
            store.cells[self._cell + 1] = 1.0

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the number; `timestamp`, in Unix seconds, decides which process was last."""
        store = self._store
        with store.lock:
            store.cells[self._cell] = value
            store.cells[self._cell + 1] = timestamp or 1.0


def shared_value(store: Store, typ: str, *arguments: object, **options: object) -> SharedValue:
    """Make the value that fits the type, as prometheus_client's `ValueClass` would."""
    kind = SharedGauge if typ == "gauge" else SharedValue
    return kind(store, typ, *arguments, **options)  # type: ignore[arg-type]
