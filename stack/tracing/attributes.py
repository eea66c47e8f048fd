"""Attributes that no exporter chokes on: one bad value must not cost the batch it is sent in."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.util.types import AttributeValue

MAX_TEXT = 8192
# OTLP's integers have 64 bits.
_MAX_INTEGER = 2**63 - 1
_PLAIN = (bool, int, float, str)


def clean(value: Any) -> AttributeValue:
    """Return any value as one that an attribute can have.

    Texts, numbers, bytes and lists of one kind of them stay what they are; anything else becomes
    its JSON, or its text. Texts are bounded to 8,192 characters.
    """
    # What nearly every value is comes first.
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return int(value)
    return _clean_rarer(value)


def _clean_rarer(value: Any) -> AttributeValue:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if abs(value) <= _MAX_INTEGER else str(value)
    if isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, (list, tuple)) and _of_one_kind(value):
        return [clean(each) for each in value[:1000]]
    return clean_text(_as_json(value))


def clean_all(attributes: Mapping[Any, Any] | None) -> dict[str, AttributeValue]:
    """Return attributes with clean names and values."""
    if not attributes:
        return {}
    return {
        name if type(name) is str and name.isascii() else clean_text(shown(name)): clean(value)
        for name, value in attributes.items()
    }


def exception_attributes(error: BaseException) -> dict[str, AttributeValue]:
    """Return the attributes of an `exception` event, whatever the exception does when looked at.

    Their names are OpenTelemetry's:
    https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
    """
    try:
        stack = "".join(traceback.format_exception(error))
    except Exception:
        stack = ""
    return {
        "exception.type": _type_name(error),
        "exception.message": clean_text(shown(error)),
        "exception.stacktrace": clean_text(stack),
        "exception.escaped": "False",
    }


def _type_name(error: BaseException) -> str:
    kind = type(error)
    builtin = kind.__module__ == "builtins"
    return kind.__qualname__ if builtin else f"{kind.__module__}.{kind.__qualname__}"


def _of_one_kind(values: Sequence[Any]) -> bool:
    kinds = {type(each) for each in values}
    fits = all(not isinstance(v, int) or abs(v) <= _MAX_INTEGER for v in values)
    return len(kinds) == 1 and kinds <= set(_PLAIN) and fits


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, default=shown, ensure_ascii=False)
    except Exception:
        return shown(value)


def shown(value: Any) -> str:
    """Show a value of any type; one whose `str` fails is shown by its type."""
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__} without text]"


def clean_text(value: str) -> str:
    """Return a text that has a UTF-8 form and is bounded; of a longer one both ends are kept."""
    if len(value) > MAX_TEXT:
        half = MAX_TEXT // 2
        value = f"{value[: half - 1]}…{value[-half:]}"
    # A lone surrogate has no UTF-8 form.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
