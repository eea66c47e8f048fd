"""Finished spans that cannot be encoded, made such that they can."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from stack.tracing.attributes import clean_all, clean_text, shown


def encodable(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """Return repaired copies of finished spans, without those that even so cannot be encoded."""
    copies = []
    for span in spans:
        try:
            copy = repaired(span)
            encode_spans([copy])
        except Exception:  # noqa: S112
            continue
        copies.append(copy)
    return copies


def repaired(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a finished span in which every text and value is clean."""
    scope, resource, status = span.instrumentation_scope, span.resource, span.status
    description = None if status.description is None else clean_text(status.description)
    return ReadableSpan(
        name=clean_text(shown(span.name)),
        context=span.context,
        parent=span.parent,
        resource=Resource(clean_all(resource.attributes), clean_text(resource.schema_url)),
        attributes=clean_all(span.attributes),
        events=[
            Event(clean_text(event.name), clean_all(event.attributes), event.timestamp)
            for event in span.events
        ],
        links=[Link(link.context, clean_all(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(status.status_code, description),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=None if scope is None else _repaired_scope(scope),
    )


def _repaired_scope(scope: InstrumentationScope) -> InstrumentationScope:
    return InstrumentationScope(
        clean_text(scope.name),
        None if scope.version is None else clean_text(scope.version),
        None if scope.schema_url is None else clean_text(scope.schema_url),
        clean_all(scope.attributes),
    )
