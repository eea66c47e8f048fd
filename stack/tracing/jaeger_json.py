"""Spans in Jaeger's JSON, made from OTLP: here for exports, in the trace store for queries.

The tags' names are those of Jaeger's own translation:
https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stack.tracing.jaeger_span import JaegerSpan

Tag = dict[str, Any]
UNKNOWN_SERVICE = "unknown_service"
_MAX_TIME = 2**62
# Beyond it JavaScript would round; Jaeger then writes the number as text.
_MAX_INTEGER = 2**53 - 1


def spans_of(request: ExportTraceServiceRequest) -> tuple[list[JaegerSpan], int]:
    """Return the request's spans, and how many had no usable ids and are left out."""
    found, refused = [], 0
    for resource_spans in request.resource_spans:
        service, process = _process(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if _has_ids(span):
                    found.append(_stored(span, service, process, scope_spans.scope))
                else:
                    refused += 1
    return found, refused


def traces_of(spans: Iterable[JaegerSpan]) -> list[dict[str, Any]]:
    """Put spans, those of one trace next to each other, together to Jaeger's traces."""
    return [
        _trace(trace_id, list(members))
        for trace_id, members in groupby(spans, key=lambda span: span.trace_id)
    ]


def _trace(trace_id: str, members: Sequence[JaegerSpan]) -> dict[str, Any]:
    processes: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    spans = []
    for span in sorted(members, key=lambda each: each.start):
        content = json.dumps(span.process, sort_keys=True)
        name = names.setdefault(content, f"p{len(names) + 1}")
        processes[name] = span.process
        spans.append({**span.body, "processID": name, "warnings": None})
    return {"traceID": trace_id, "spans": spans, "processes": processes, "warnings": None}


def _stored(
    span: Span, service: str, process: dict[str, Any], scope: InstrumentationScope
) -> JaegerSpan:
    trace_id, span_id, parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    start = min(span.start_time_unix_nano // 1000, _MAX_TIME)
    duration = min(max(0, span.end_time_unix_nano - span.start_time_unix_nano) // 1000, _MAX_TIME)
    kind = Span.SpanKind.Name(span.kind) if span.kind in Span.SpanKind.values() else ""
    kind = kind.removeprefix("SPAN_KIND_").lower()
    references = [_reference("CHILD_OF", trace_id, parent)] if any(span.parent_span_id) else []
    references += [
        _reference("FOLLOWS_FROM", link.trace_id.hex(), link.span_id.hex()) for link in span.links
    ]
    body = {
        "traceID": trace_id,
        "spanID": span_id,
        "operationName": span.name,
        "references": references,
        "startTime": start,
        "duration": duration,
        "tags": [*_tags(span.attributes), *_own_tags(span, kind, scope)],
        "logs": [_log(event) for event in span.events],
    }
    return JaegerSpan(
        trace_id, span_id, parent, service, span.name, kind, start, duration, process, body
    )


def _own_tags(span: Span, kind: str, scope: InstrumentationScope) -> Iterator[Tag]:
    """Yield what OTLP has in fields and Jaeger in tags."""
    if scope.name:
        yield _tag("otel.scope.name", "string", scope.name)
    if scope.version:
        yield _tag("otel.scope.version", "string", scope.version)
    if kind and kind != "unspecified":
        yield _tag("span.kind", "string", kind)
    if span.status.code == Status.STATUS_CODE_ERROR:
        yield _tag("error", "bool", True)
        yield _tag("otel.status_code", "string", "ERROR")
    elif span.status.code == Status.STATUS_CODE_OK:
        yield _tag("otel.status_code", "string", "OK")
    if span.status.message:
        yield _tag("otel.status_description", "string", span.status.message)
    if span.trace_state:
        yield _tag("w3c.tracestate", "string", span.trace_state)


def _process(resource: Resource) -> tuple[str, dict[str, Any]]:
    tags = _tags(resource.attributes)
    names = [tag["value"] for tag in tags if tag["key"] == "service.name"]
    service = str(names[0]) if names and names[0] else UNKNOWN_SERVICE
    others = [tag for tag in tags if tag["key"] != "service.name"]
    return service, {"serviceName": service, "tags": others}


def _log(event: Span.Event) -> dict[str, Any]:
    fields = [_tag("event", "string", event.name)] if event.name else []
    timestamp = min(event.time_unix_nano // 1000, _MAX_TIME)
    return {"timestamp": timestamp, "fields": [*fields, *_tags(event.attributes)]}


def _tags(attributes: Iterable[KeyValue]) -> list[Tag]:
    return [_typed(each.key, each.value) for each in attributes]


def _typed(key: str, value: AnyValue) -> Tag:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return _tag(key, "bool", value.bool_value)
    if kind == "int_value":
        whole = value.int_value
        return _tag(key, "int64", whole if abs(whole) <= _MAX_INTEGER else str(whole))
    if kind == "double_value":
        number = value.double_value
        # JSON has no infinity and no NaN.
        finite = math.isfinite(number)
        return _tag(key, "float64", number) if finite else _tag(key, "string", repr(number))
    if kind == "bytes_value":
        return _tag(key, "binary", base64.b64encode(value.bytes_value).decode())
    if kind in {"array_value", "kvlist_value"}:
        return _tag(key, "string", _compact(_plain(value)))
    return _tag(key, "string", value.string_value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: _plain(each.value) for each in value.kvlist_value.values}
    if kind is None:
        return None
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


def _tag(key: str, kind: str, value: Any) -> Tag:
    return {"key": key, "type": kind, "value": value}


def _reference(kind: str, trace_id: str, span_id: str) -> dict[str, str]:
    return {"refType": kind, "traceID": trace_id, "spanID": span_id}


def _has_ids(span: Span) -> bool:
    return (
        len(span.trace_id) == 16
        and len(span.span_id) == 8
        and any(span.trace_id)
        and any(span.span_id)
    )
