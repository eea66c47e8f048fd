"""Making any value safe to write: bounded, redacted, serialisable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MAX_TEXT = 8192
MAX_DEPTH = 6
MAX_ITEMS = 100
REDACTED = "[redacted]"

_SECRET = re.compile(
    r"passw|passphrase|secret|token(?!s|_type|_usage|_count)|api[-_]?key|authorization|credential"
    r"|private[-_]?key|cookie|session[-_]?id",
    re.IGNORECASE,
)
# The range that every JSON reader can hold exactly.
_MAX_INTEGER = 2**53 - 1


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON-ready copy of any value, bounded in length, depth and number of items.

    Keys that look like secrets keep their name and lose their value, at any depth.
    """
    # What nearly every value is comes first.
    kind = type(value)
    if kind is str:
        return value if len(value) <= MAX_TEXT and value.isascii() else _text(value)
    if kind is int:
        return value if -_MAX_INTEGER <= value <= _MAX_INTEGER else _text(_shown(value))
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    if value is None or kind is bool:
        return value
    return _clean_rarer(value, depth)


def _clean_rarer(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _container(value, depth) if depth < MAX_DEPTH else "[too deep]"
    return _text(_shown(value))


@lru_cache(maxsize=4096)
def looks_secret(name: str) -> bool:
    """Tell whether a value of that name must not be shown. For names that code gives: it caches."""
    return _SECRET.search(name) is not None


def _number(value: float) -> int | float | str:
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_INTEGER else _text(_shown(value))
    return value if math.isfinite(value) else repr(value)


def _container(value: Any, depth: int) -> dict[str, Any] | list[Any]:
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    items = [clean(item, depth + 1) for item in tuple(value)[:MAX_ITEMS]]
    return items if len(value) <= MAX_ITEMS else [*items, f"[{len(value)} items]"]


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    try:
        for key in tuple(value)[:MAX_ITEMS]:
            name = key if isinstance(key, str) else _shown(key)
            cleaned[_text(name)] = (
                REDACTED if _SECRET.search(name) else clean(value[key], depth + 1)
            )
    except Exception as error:
        cleaned["[unreadable]"] = type(error).__name__
    return cleaned


def _text(value: str) -> str:
    if len(value) > MAX_TEXT:
        value = f"{value[:MAX_TEXT]}… [{len(value)} characters]"
    # A lone surrogate has no UTF-8 form.
    return value.encode("utf-8", "replace").decode("utf-8")


def _shown(value: Any) -> str:
    """Show a value of any type; one whose `str` fails is shown by its type."""
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__} without text]"
