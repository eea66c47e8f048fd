"""Pages for people: a search, and one trace as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, render_template, request

from stack.ops.tracestore.query import normal_id
from stack.ops.tracestore.search import InvalidParameterError, Search
from stack.ops.tracestore.store import Store
from stack.tracing.jaeger_span import JaegerSpan

_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A trace in the list of those found."""

    trace_id: str
    name: str
    started: datetime
    duration: str
    spans: int
    services: list[str]
    failed: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A span in the waterfall; offset and width in percent of the trace."""

    span: JaegerSpan
    depth: int
    offset: float
    width: float
    duration: str
    failed: bool
    colour: int
    tags: list[dict[str, Any]]
    logs: list[dict[str, Any]]


def pages(store: Store) -> Blueprint:
    """Make the pages `/` and `/trace/<id>`."""
    site = Blueprint("pages", __name__)

    @site.get("/")
    @site.get("/search")
    def search() -> str:
        services = store.services()
        service = request.args.get("service") or _first(services)
        found, problem = [], ""
        try:
            if service:
                wanted = Search.parse({**request.args, "service": service})
                found = summaries(store.find(wanted))
        except InvalidParameterError as error:
            problem = str(error)
        return render_template(
            "search.html",
            services=services,
            service=service,
            operations=sorted({name for name, _ in store.operations(service)}),
            found=found,
            problem=problem,
            given=request.args,
        )

    @site.get("/trace/<trace_id>")
    def trace(trace_id: str) -> str:
        try:
            spans = store.trace(normal_id(trace_id))
        except InvalidParameterError:
            spans = []
        if not spans:
            abort(404, "There is no such trace; it may not have arrived yet, or be too old.")
        found = summaries(spans)[0]
        return render_template("trace.html", trace=found, bars=waterfall(spans))

    return site


def summaries(spans: Sequence[JaegerSpan]) -> list[Found]:
    """Describe each trace in a line; spans of one trace stand next to each other."""
    traces: dict[str, list[JaegerSpan]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return [_summary(members) for members in traces.values()]


def waterfall(spans: Sequence[JaegerSpan]) -> list[Bar]:
    """Order a trace's spans as a tree, children by their start; orphans stand at the top."""
    known = {span.span_id for span in spans}
    children: dict[str, list[JaegerSpan]] = {}
    for span in sorted(spans, key=lambda each: each.start):
        parent = span.parent_id if span.parent_id in known else ""
        children.setdefault(parent, []).append(span)
    begin = min(span.start for span in spans)
    total = max(1, max(span.start + span.duration for span in spans) - begin)
    colours = {name: i % _COLOURS for i, name in enumerate(dict.fromkeys(s.service for s in spans))}
    bars, waiting, seen = [], [(span, 0) for span in reversed(children.get("", []))], set()
    while waiting:
        span, depth = waiting.pop()
        # A span that is its own ancestor is drawn once.
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        offset = 100 * (span.start - begin) / total
        width = min(100 - offset, max(0.3, 100 * span.duration / total))
        bars.append(_bar(span, depth, offset, width, colours[span.service]))
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return bars


def shown(microseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    for unit, size in (("s", 1_000_000), ("ms", 1000)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds} µs"


def _summary(members: Sequence[JaegerSpan]) -> Found:
    first = min(members, key=lambda span: (span.parent_id != "", span.start))
    begin = min(span.start for span in members)
    end = max(span.start + span.duration for span in members)
    return Found(
        first.trace_id,
        f"{first.service}: {first.operation}",
        datetime.fromtimestamp(min(begin, 253_402_300_799_000_000) / 1_000_000, UTC),
        shown(end - begin),
        len(members),
        sorted({span.service for span in members}),
        any(_failed(span) for span in members),
    )


def _bar(span: JaegerSpan, depth: int, offset: float, width: float, colour: int) -> Bar:
    tags = span.body["tags"]
    logs = [
        {"at": shown(max(0, log["timestamp"] - span.start)), "fields": log["fields"]}
        for log in span.body["logs"]
    ]
    failed = _failed(span)
    return Bar(span, depth, offset, width, shown(span.duration), failed, colour, tags, logs)


def _failed(span: JaegerSpan) -> bool:
    return any(tag["key"] == "error" and tag["value"] is True for tag in span.body["tags"])


def _first(services: Sequence[str]) -> str:
    return "gateway" if "gateway" in services else next(iter(services), "")
