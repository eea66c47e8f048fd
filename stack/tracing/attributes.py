"""Attributes that no exporter chokes on: one bad value must not cost the batch it is sent in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
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
        return _text(value)
    if kind is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return int(value)
    return _clean_rarer(value)


def _clean_rarer(value: Any) -> AttributeValue:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if abs(value) <= _MAX_INTEGER else str(value)
    if isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, (list, tuple)) and _of_one_kind(value):
        return [clean(each) for each in value[:1000]]
    return _text(_as_json(value))


def clean_all(attributes: Mapping[Any, Any] | None) -> dict[str, AttributeValue]:
    """Return attributes with clean names and values."""
    if not attributes:
        return {}
    return {
        name if type(name) is str and name.isascii() else _text(str(name)): clean(value)
        for name, value in attributes.items()
    }


def repaired(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a finished span in which every text and value is clean."""
    events = [Event(_text(e.name), clean_all(e.attributes), e.timestamp) for e in span.events]
    return ReadableSpan(
        name=_text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=clean_all(span.attributes),
        events=events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _of_one_kind(values: Sequence[Any]) -> bool:
    kinds = {type(each) for each in values}
    fits = all(not isinstance(v, int) or abs(v) <= _MAX_INTEGER for v in values)
    return len(kinds) == 1 and kinds <= set(_PLAIN) and fits


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, default=_shown, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return _shown(value)


def _shown(value: Any) -> str:
    """Show a value of any type; one whose `str` fails is shown by its type."""
    try:
        return str(value)
    except Exception:
        return f"[{type(value).__name__} without text]"


def _text(value: str) -> str:
    if len(value) <= MAX_TEXT and value.isascii():
        return value
    # A lone surrogate has no UTF-8 form.
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
