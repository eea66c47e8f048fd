"""Traces are missing: spans that are lost, never made, or not found again."""

from __future__ import annotations

import time
from collections import defaultdict

from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources

# Spans of a request that was sampled: its own at least.
_FEWEST = 0.9


def spans(sources: Sources) -> Report:
    """Hold the lost spans of each service against what SpansLost allows."""
    window = sources.window()
    allowed = sources.threshold("spans_lost:ratio", 0.05)
    rates: dict[str, dict[str, float]] = defaultdict(dict)
    for each in sources.query(
        f"sum by (service, outcome) (increase(telemetry_spans_total[{window}]))"
    ):
        rates[each.labels["service"]][each.labels["outcome"]] = each.value
    if not rates:
        raise NotCheckedError("no service counts its spans")
    problems, shown = [], []
    for service, counts in sorted(rates.items()):
        total = sum(counts.values())
        lost = counts.get("dropped", 0.0) + counts.get("failed", 0.0)
        shown.append(f"{service} {counts.get('exported', 0):.0f}")
        if lost > 0.5 and lost > allowed * total:
            problems.append(_lost(service, counts, total, window))
    return Report(f"spans exported in {window}: {', '.join(shown)}", problems)


def _lost(service: str, counts: dict[str, float], total: float, window: str) -> Problem:
    failed, dropped = counts.get("failed", 0.0), counts.get("dropped", 0.0)
    cause = (
        "the trace store did not take them"
        if failed
        else "the queue was full: more than is sent in time, or the trace store is slow"
    )
    return Problem(
        f"{service} lost {failed + dropped:.0f} of {total:.0f} spans in {window} "
        f"({failed:.0f} failed, {dropped:.0f} dropped): {cause}",
        mends.log("jaeger") if failed else mends.log(service),
    )


def otlp(sources: Sources) -> Report:
    """Send no span at all, which has to be taken."""
    began = time.monotonic()
    try:
        answer = sources.answer("OTLP_HTTP_PORT", "/v1/traces", "POST", json={"resourceSpans": []})
    except NotCheckedError as error:
        # That it does not answer is what is looked for here.
        return Report("no answer", [Problem(f"spans are not taken: {error}", mends.log("jaeger"))])
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    if answer.status_code != 200:
        said = f"the OTLP port says {answer.status_code}: {answer.text[:120]}"
        return Report(said, [Problem(said, mends.log("jaeger"))])
    return Report(f"an empty export is taken in {took}")


def stored(sources: Sources) -> Report:
    """Look in the trace store for each service that has exported spans."""
    exported = f'telemetry_spans_total{{outcome="exported"}}[{sources.window(300)}]'
    counted = sources.query(f"sum by (service) (increase({exported})) > 0")
    exporting = {each.labels["service"] for each in counted}
    known = set(sources.json("JAEGER_QUERY_PORT", "/api/services")["data"] or [])
    problems = [
        Problem(
            f"{name} exports spans, and the trace store has none of it: they go elsewhere "
            "(OTEL_EXPORTER_OTLP_ENDPOINT), or under another name (OTEL_SERVICE_NAME)",
            mends.log(name),
        )
        for name in sorted(exporting - known)
    ]
    return Report(f"the trace store knows {', '.join(sorted(known)) or 'no service'}", problems)


def sampling(sources: Sources) -> Report:
    """Compare requests with spans: fewer spans than requests are sampled, none are switched off."""
    window = sources.window(300)
    counted = f"sum by (service) (increase(http_server_request_duration_seconds_count[{window}]))"
    requests = {each.labels["service"]: each.value for each in sources.query(counted)}
    made = {
        each.labels["service"]: each.value
        for each in sources.query(f"sum by (service) (increase(telemetry_spans_total[{window}]))")
    }
    busy = {name: count for name, count in requests.items() if count >= 1 and name in made}
    if not busy:
        raise NotCheckedError(f"no service was asked anything in {window}")
    problems = [
        Problem(
            f"{name} answered {count:.0f} requests in {window} and made no span: "
            "see its OTEL_TRACES_SAMPLER, OTEL_TRACES_EXPORTER and OTEL_SDK_DISABLED",
            mends.log(name),
        )
        for name, count in busy.items()
        # Spans come after their requests, by up to a scrape.
        if made[name] == 0 and count >= 5
    ]
    shares = (f"{name} {made[name] / count:.2g}" for name, count in sorted(busy.items()))
    sampled = [name for name, count in busy.items() if 0 < made[name] < _FEWEST * count]
    few = f"; {', '.join(sampled)} is sampled: not every request has a trace" if sampled else ""
    return Report(f"spans a request: {', '.join(shares)}{few}", problems)
