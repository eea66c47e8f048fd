"""Making any value safe to write: bounded, redacted, serialisable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

MAX_TEXT = 8192
MAX_DEPTH = 6
MAX_ITEMS = 100
# Characters of all that one container holds, however it is nested.
MAX_CONTAINER = 16_384
REDACTED = "[redacted]"

_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|(?:access|refresh|auth|bearer|session)[-_]?tokens"
    r"|token(?!s|_type|_usage|_count)|(?:api|access|private)[-_]?key|authorization|auth$|credential"
    r"|bearer|jwt|dsn|cookie|session[-_]?id",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"://[^\s/?#]*@")
# The range that every JSON reader can hold exactly.
_MAX_INTEGER = 2**53 - 1
# What a value without text takes of a container's room.
_ROOM_OF_ANY = 4


def clean(value: Any) -> Any:
    """Return a JSON-ready copy of any value, bounded in length, depth and number of items.

    Keys that look like secrets keep their name and lose their value, at any depth; so does what
    stands before the host of a URL. It never raises, whatever the value does when looked at.

    Args:
        value: anything.
    """
    # What nearly every value is comes first.
    kind = type(value)
    if kind is str:
        plain = len(value) <= MAX_TEXT and value.isascii() and "@" not in value
        return value if plain else clean_text(value)
    if kind is int:
        return value if -_MAX_INTEGER <= value <= _MAX_INTEGER else clean_text(shown(value))
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    if value is None or kind is bool:
        return value
    return _Container().clean(value, 0)


def clean_text(value: str) -> str:
    """Return a text that has a UTF-8 form, no credentials in a URL, and a bounded length.

    Of a longer one both ends are kept: the end of a stack says where it broke.
    """
    if len(value) > MAX_TEXT:
        half = MAX_TEXT // 2
        value = f"{value[:half]}… [{len(value)} characters] …{value[-half:]}"
    if "@" in value:
        value = without_credentials(value)
    # A lone surrogate has no UTF-8 form.
    return value.encode("utf-8", "replace").decode("utf-8")


def without_credentials(value: str) -> str:
    """Return a text in which no URL shows a user and a password."""
    return _USER_IN_URL.sub(f"://{REDACTED}@", value)


@lru_cache(maxsize=4096)
def looks_secret(name: str) -> bool:
    """Tell whether a value of that name must not be shown. For names that code gives: it caches."""
    return _SECRET.search(name) is not None


def shown(value: Any) -> str:
    """Show a value of any type; one whose `str` fails is shown by its type."""
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__} without text]"


class _Container:
    """One value and all that is in it, which share a bounded room; used once."""

    __slots__ = ("_room",)

    def __init__(self) -> None:
        self._room = MAX_CONTAINER

    def clean(self, value: Any, depth: int) -> Any:
        try:
            cleaned = self._clean(value, depth)
        except Exception as error:
            cleaned = f"[unreadable: {type(error).__name__}]"
        self._room -= len(cleaned) if isinstance(cleaned, str) else _ROOM_OF_ANY
        return cleaned

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return clean_text(value)
        if isinstance(value, (int, float)):
            return _number(value)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return self._mapping(value, depth) if depth < MAX_DEPTH else "[too deep]"
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._items(value, depth) if depth < MAX_DEPTH else "[too deep]"
        return clean_text(shown(value))

    def _items(self, value: Any, depth: int) -> list[Any]:
        items: list[Any] = []
        for item in tuple(islice(value, MAX_ITEMS)):
            if self._room <= 0:
                break
            items.append(self.clean(item, depth + 1))
        return items if len(value) == len(items) else [*items, f"[{len(value)} items]"]

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        try:
            for key in tuple(islice(value, MAX_ITEMS)):
                if self._room <= 0:
                    break
                name = clean_text(key if isinstance(key, str) else shown(key))
                self._room -= len(name)
                hidden = _SECRET.search(name) is not None
                cleaned[name] = REDACTED if hidden else self.clean(value[key], depth + 1)
            if len(value) > len(cleaned):
                cleaned["[items]"] = len(value)
        except Exception as error:
            cleaned["[unreadable]"] = type(error).__name__
        return cleaned


def _number(value: float) -> int | float | str:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_INTEGER else clean_text(shown(value))
    return float(value) if math.isfinite(value) else repr(float(value))
