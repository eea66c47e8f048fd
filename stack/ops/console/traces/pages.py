"""The pages, at the paths of Jaeger's own, so that a link to Jaeger works here too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request

from stack.ops.console.traces.form import DEFAULTS, LOOKBACKS, parameters, read, words
from stack.ops.console.traces.jaeger import Jaeger, JaegerError
from stack.ops.console.traces.trace import (
    Trace,
    critical_path,
    guilty,
    message,
    oddities,
    shares,
)
from stack.ops.console.traces.waterfall import (
    MAX_ROWS,
    MOST_ROWS,
    Summary,
    chosen,
    percent,
    shown,
    summary,
    ticks,
    waterfall,
)
from stack.ops.console.values import palette
from stack.ops.tracestore.search import InvalidParameterError

_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_RETRY_SECONDS = 5
# A dashboard shows what went before and came after a trace.
_AROUND_MILLISECONDS = 900_000

Answer = Response | str | tuple[str, int]


def traces(jaeger: Jaeger) -> Blueprint:
    """Make the pages `/search` and `/trace/<id>`.

    Args:
        jaeger: where the traces are.
    """
    site = Blueprint("traces", __name__)
    site.add_app_template_filter(shown, "duration")
    site.add_app_template_filter(percent, "percent")
    site.add_app_template_filter(message, "error_message")

    @site.get("/search")
    def search() -> Answer:
        return _search(jaeger)

    @site.get("/trace/<trace_id>")
    def trace(trace_id: str) -> Answer:
        if not _TRACE_ID.fullmatch(trace_id):
            shortened = repr(trace_id[:64])
            return _problem("No trace id", f"{shortened} is not 1 to 32 hex digits.", 400)
        found = jaeger.trace(trace_id.lower())
        if found is None:
            told = f"Jaeger holds no trace {trace_id}: it has not arrived yet, or is too old."
            return _problem("No such trace", told, 404)
        return _waterfall(found, everything="all" in request.args)

    @site.errorhandler(JaegerError)
    def unreachable(error: JaegerError) -> Answer:
        again = f"This page asks again every {_RETRY_SECONDS} seconds."
        told = f"{error}. {again} `stack status` tells whether Jaeger runs."
        answer = make_response(_problem("No answer from Jaeger", told, 503))
        answer.headers["Refresh"] = str(_RETRY_SECONDS)
        return answer

    return site


def _search(jaeger: Jaeger) -> Answer:
    services = jaeger.services()
    service = request.args.get("service") or _first(services)
    given = {**DEFAULTS, **request.args, "service": service}
    only_errors = bool(request.args.get("errors"))
    found: list[Summary] = []
    refused: InvalidParameterError | None = None
    try:
        if service:
            wanted = read(request.args, service)
            only_errors = wanted.tags.get("error") == "true"
            others = {k: v for k, v in wanted.tags.items() if (k, v) != ("error", "true")}
            given["tags"] = words(others)
            found = _newest_first(jaeger.find(parameters(wanted)))
    except InvalidParameterError as error:
        refused = error
    ends = {name: given[name] for name in ("start", "end") if given.get(name)}
    rest = {name: value for name, value in request.args.items() if name not in ends}
    page = render_template(
        "traces/search.html",
        services=services,
        operations=jaeger.operations(service) if service else [],
        lookbacks=LOOKBACKS,
        given=given,
        ends=ends,
        unbounded=urlencode(rest),
        only_errors=only_errors,
        found=found,
        colours=palette(sorted({name for each in found for name in each.services})),
        longest=max([1, *(each.duration for each in found)]),
        refused=refused,
    )
    return page, 400 if refused else 200


def _newest_first(traces: Iterable[Trace]) -> list[Summary]:
    found = []
    for each in traces:
        found.append(summary(each))
        each.fell()
    return sorted(found, key=lambda each: each.start, reverse=True)


def _waterfall(trace: Trace, *, everything: bool) -> str:
    told, path = summary(trace), critical_path(trace.root)
    nodes = chosen(trace, path, MOST_ROWS if everything else MAX_ROWS)
    colours = palette(sorted(told.services))
    around = {
        "from": trace.start // 1000 - _AROUND_MILLISECONDS,
        "to": trace.end // 1000 + _AROUND_MILLISECONDS,
    }
    dashboards = {
        name: f"/d/stack-service/service?{urlencode({'var-service': name, **around})}"
        for name in told.services
    }
    return render_template(
        "traces/trace.html",
        told=told,
        root=trace.root.span,
        guilty=guilty(trace),
        bars=waterfall(told, path, nodes, colours),
        colours=colours,
        most=MOST_ROWS,
        everything=everything,
        ticks=ticks(told.duration),
        shares=shares(path),
        oddities=oddities(trace),
        dashboards=dashboards,
    )


def _problem(heading: str, told: str, status: int) -> tuple[str, int]:
    return render_template("traces/problem.html", heading=heading, told=told), status


def _first(services: Sequence[str]) -> str:
    return "gateway" if "gateway" in services else next(iter(services), "")
