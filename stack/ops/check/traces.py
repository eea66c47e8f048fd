"""Whether requests leave spans that belong where they came from."""

from __future__ import annotations

from stack.ops.check.jaeger import Span
from stack.ops.check.metrics import route_of
from stack.ops.check.point import Verdict, fails, listed, ok, point
from stack.ops.check.requests import Sent
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import Visit

# The attribute that each request's span has, by OpenTelemetry's semantic conventions.
_ALWAYS = ("http.request.method", "http.response.status_code", "url.path", "url.scheme")


@point(
    "traces.malformed",
    "A request with a `traceparent` that is none is answered like one without.",
    "begin a trace of your own where the header cannot be read",
)
def malformed(visit: Visit) -> Verdict:
    """Send headers that are none."""
    known = visit.known
    for header in ("00-not-a-trace-01", f"00-{'0' * 32}-{'0' * 16}-01", "", "ff-" * 300):
        status = visit.ask(
            known.method, known.path, {"traceparent": header}, visit.asked.body
        ).status
        if status != known.status:
            return fails(f"{status} with traceparent {header[:20]!r}, else {known.status}")
    return ok(f"{known.status} with any of four")


@point(
    "traces.arrive",
    "The spans of a request arrive in Jaeger under the trace id of its `traceparent`.",
    "read W3C's traceparent, and export over OTLP to that Jaeger within seconds",
)
def arrive(visit: Visit) -> Verdict:
    """Look for the trace."""
    found, id_ = visit.jaeger.spans(visit.known), visit.known.trace_id
    return ok(f"{len(found)} spans of {_service(found)}") if found else fails(f"no span of {id_}")


@point(
    "traces.parent",
    "The request's span is the child of the span that `traceparent` names.",
    "start the server's span in the context that was read from the headers",
)
def parent(visit: Visit) -> Verdict:
    """Look for our span among the parents."""
    found = _found(visit, visit.known)
    if any(visit.known.span_id in span.parents for span in found):
        return ok(f"parent {visit.known.span_id}")
    parents = [f"{span.name}: {listed(list(span.parents)) or 'none'}" for span in found]
    return fails(f"parents are {listed(parents)}, not {visit.known.span_id}")


@point(
    "traces.service",
    "Spans come from a service that has a name, the same as in `stack_build_info`.",
    "set the resource attribute service.name, for example by OTEL_SERVICE_NAME",
)
def service(visit: Visit) -> Verdict:
    """Compare names."""
    name = _entry(visit, visit.known).service
    if not name or name.startswith("unknown_service"):
        return fails(name or "no name")
    try:
        named = {
            dict(labels).get("service") for labels in visit.scrape().values("stack_build_info")
        }
    except CannotCheckError:
        named = set()
    return fails(f"{name}, in metrics {named}") if named and name not in named else ok(name)


@point(
    "traces.name",
    "The request's span is of kind server, and called by method and route, never by its path.",
    "call it '{method} {route}', or '{method}' where no route matches",
)
def name(visit: Visit) -> Verdict:
    """Look at the spans of a known path and of one that is not."""
    wrong = []
    for sent in (visit.known, visit.unknown[0]):
        span = _entry(visit, sent)
        route = span.tags.get("http.route")
        wanted = f"{sent.method} {route}" if route else sent.method
        if span.name != wanted:
            wrong.append(f"{span.name!r} instead of {wanted!r}")
        if span.tags.get("span.kind") != "server":
            wrong.append(f"{span.name!r} is of kind {span.tags.get('span.kind')}")
        if sent is not visit.known and sent.path in span.name:
            wrong.append(f"{span.name!r} is a path")
    return fails(listed(wrong)) if wrong else ok(f"{_entry(visit, visit.known).name!r}, server")


@point(
    "traces.attributes",
    f"It has {', '.join(f'`{each}`' for each in _ALWAYS)}, and `http.route` as in the metrics.",
    "set OpenTelemetry's stable HTTP attributes, not those of before 2023 such as http.method",
)
def attributes(visit: Visit) -> Verdict:
    """Compare the attributes with the request."""
    sent = visit.known
    tags = _entry(visit, sent).tags
    wanted: dict[str, object] = {
        "http.request.method": sent.method,
        "http.response.status_code": sent.status,
        "url.path": sent.path.partition("?")[0],
        "url.scheme": visit.asked.url.partition(":")[0],
    }
    route = route_of(visit)
    if route.startswith("/"):
        wanted["http.route"] = route
    wrong = [
        f"{key} is {tags.get(key, 'missing')!r}, not {value!r}"
        for key, value in wanted.items()
        if tags.get(key) != value
    ]
    return fails(listed(wrong, 5)) if wrong else ok(listed(list(wanted), 5))


@point(
    "traces.errors",
    "The span of a request answered with 5xx is marked as an error.",
    "set the span's status to ERROR from 500 on",
)
def errors(visit: Visit) -> Verdict:
    """Look at a request that failed, by a fault or without."""
    sent = _with_status(visit, 500, 599)
    span = _entry(visit, sent)
    return ok(f"{sent.status} is an error") if span.failed else fails(f"{sent.status} is none")


@point(
    "traces.client-errors",
    "The span of a request answered with 4xx is no error: the service did its work.",
    "leave the span's status unset below 500",
)
def client_errors(visit: Visit) -> Verdict:
    """Look at a request for what is not there."""
    _ = visit.unknown
    sent = _with_status(visit, 400, 499)
    span = _entry(visit, sent)
    return fails(f"{sent.status} is an error") if span.failed else ok(f"{sent.status} is none")


@point(
    "traces.sampled",
    "A trace that its caller does not sample is not kept: `traceparent`'s flags are heeded.",
    "use the sampler parentbased_always_on, which is OpenTelemetry's default",
)
def sampled(visit: Visit) -> Verdict:
    """Look for a trace that should not be there."""
    # What was sent before has arrived by then, so this would have.
    _entry(visit, visit.known)
    found = visit.jaeger.spans(visit.unsampled, wait=False)
    return fails(f"{len(found)} spans with the flags 00") if found else ok("none with the flags 00")


@point(
    "traces.secrets",
    "No span holds the cookies of its request.",
    "do not record headers, or name those that may be recorded",
)
def secret(visit: Visit) -> Verdict:
    """Look for the cookie that was sent."""
    for sent in (visit.known, visit.unknown[0]):
        _entry(visit, sent)
        for span in visit.jaeger.spans(sent):
            for key, value in span.tags.items():
                if visit.secret in str(value):
                    return fails(f"{key} of {span.name!r}")
    return ok("not the one that was sent")


POINTS = (
    *(malformed, arrive, parent, service, name, attributes),
    *(errors, client_errors, sampled, secret),
)


def _found(visit: Visit, sent: Sent) -> list[Span]:
    found = visit.jaeger.spans(sent)
    if not found:
        raise CannotCheckError("the trace has not arrived")
    return found


def _entry(visit: Visit, sent: Sent) -> Span:
    """Return the span of a request: the child of ours, or the first where none is."""
    found = _found(visit, sent)
    mine = [span for span in found if sent.span_id in span.parents]
    servers = [span for span in found if span.tags.get("span.kind") == "server"]
    return (mine or servers or found)[0]


def _with_status(visit: Visit, lowest: int, highest: int) -> Sent:
    for sent in visit.sent:
        if sent.sampled and lowest <= sent.status <= highest:
            return sent
    how = "; faults make one, with --faults-token-file" if lowest == 500 else ""
    raise CannotCheckError(f"no request was answered with {lowest // 100}xx{how}")


def _service(found: list[Span]) -> str:
    return listed(sorted({span.service for span in found}))
