"""Jaeger JSON in: what `export_jaeger_format`, Jaeger's API and its page's download give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from stack.ops.tracestore.otlp import RefusedError
from stack.tracing.jaeger_span import JaegerSpan

TraceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,32}$")]
SpanId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Text = Annotated[str, StringConstraints(max_length=10_000)]
# SQLite's integers have 64 bits.
Microseconds = Annotated[int, Field(ge=0, lt=2**62)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Tag(_Part):
    """A typed value with a name."""

    key: Text
    type: Literal["string", "bool", "int64", "float64", "binary"]
    value: str | bool | int | float


class Reference(_Part):
    """Another span that this one follows from or is the child of."""

    kind: Literal["CHILD_OF", "FOLLOWS_FROM"] = Field(alias="refType")
    trace_id: TraceId = Field(alias="traceID")
    span_id: SpanId = Field(alias="spanID")


class Log(_Part):
    """What happened at a moment."""

    timestamp: Microseconds
    fields: list[Tag]


class Span(_Part):
    """A finished span."""

    trace_id: TraceId = Field(alias="traceID")
    span_id: SpanId = Field(alias="spanID")
    operation: Text = Field(alias="operationName")
    references: list[Reference] = []
    start: Microseconds = Field(alias="startTime")
    duration: Microseconds
    tags: list[Tag] = []
    logs: list[Log] = []
    process: Text = Field(alias="processID")


class Process(_Part):
    """The service that made spans."""

    service: Annotated[Text, StringConstraints(min_length=1)] = Field(alias="serviceName")
    tags: list[Tag] = []


class Trace(_Part):
    """The spans of one request, and their processes by name."""

    trace_id: TraceId = Field(alias="traceID")
    spans: list[Span]
    processes: dict[str, Process]


class Document(_Part):
    """A file."""

    data: list[Trace]


def read(body: bytes) -> list[JaegerSpan]:
    """Return the spans of a file in Jaeger's JSON.

    Raises:
        RefusedError: it is none; the message names the first field at fault.
    """
    try:
        document = Document.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        shown = repr(first["input"])[:80]
        raise RefusedError(400, f"no Jaeger JSON: {where}={shown}: {first['msg']}") from error
    return [span for trace in document.data for span in _spans(trace)]


def _spans(trace: Trace) -> Iterator[JaegerSpan]:
    for span in trace.spans:
        process = trace.processes.get(span.process)
        if process is None:
            raise RefusedError(400, f"no Jaeger JSON: processID {span.process!r} is no process")
        parents = [each.span_id for each in span.references if each.kind == "CHILD_OF"]
        kinds = [str(tag.value) for tag in span.tags if tag.key == "span.kind"]
        trace_id = span.trace_id.zfill(32)
        body: dict[str, Any] = span.model_dump(by_alias=True, exclude={"process"})
        yield JaegerSpan(
            trace_id,
            span.span_id,
            parents[0] if parents else "",
            process.service,
            span.operation,
            kinds[0] if kinds else "",
            span.start,
            span.duration,
            process.model_dump(by_alias=True),
            {**body, "traceID": trace_id},
        )
