"""Python's garbage collections in every process, under the names that one process has."""

from __future__ import annotations

import gc

from prometheus_client import Counter

# As prometheus_client's own collector of one process has them, by the key in gc's report.
_FAMILIES = {
    "collected": ("python_gc_objects_collected", "Objects collected during gc"),
    "uncollectable": (
        "python_gc_objects_uncollectable",
        "Uncollectable objects found during GC",
    ),
    "collections": ("python_gc_collections", "Number of times this generation was collected"),
}


def watch() -> None:
    """Count every collection from now on, in this process and its children."""
    counts = {
        key: [
            Counter(name, text, ("generation",), registry=None).labels(str(generation))._value
            for generation in range(len(gc.get_count()))
        ]
        for key, (name, text) in _FAMILIES.items()
    }

    def count(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            generation = info["generation"]
            counts["collected"][generation].inc(info["collected"])
            counts["uncollectable"][generation].inc(info["uncollectable"])
            counts["collections"][generation].inc(1)

    gc.callbacks.append(count)
