"""Whether `/metrics` can be scraped, and tells the truth."""

from __future__ import annotations

import time
from collections import Counter

from stack.ops.check import contract
from stack.ops.check.point import Verdict, fails, listed, ok, point
from stack.ops.check.scrape import ACTIVE, OPENMETRICS, SERVER, MalformedError, Scrape
from stack.ops.check.telling import CannotCheckError
from stack.ops.check.visit import OWN_PATHS, PAUSE, Answer, Visit

_REQUESTS = 5
# Seconds after which a request that was answered is counted, or no longer served.
_SETTLED = 1.5
_QUIET = 0.3
_LONGEST_IDLE = 2.0
_LEAKED = 3
# Prometheus takes a label without a value for none, so a service may leave these out.
_MAY_BE_EMPTY = {"error_type", "http_response_status_code"}


@point(
    "metrics.served",
    "`GET /metrics` answers with the text format, which Prometheus can parse.",
    "let a Prometheus client library write /metrics, with its own content type",
)
def served(visit: Visit) -> Verdict:
    """Parse the text format."""
    answer = visit.metrics()
    if answer.status == 401 and not visit.asked.token:
        raise CannotCheckError("/metrics asks for a token: --token-file names it")
    return _parsed(answer, "text/plain")


@point(
    "metrics.openmetrics",
    "Asked by `Accept`, `/metrics` answers in OpenMetrics 1.0, which carries exemplars.",
    "choose the format by the Accept header; client libraries have a switch for OpenMetrics",
)
def openmetrics(visit: Visit) -> Verdict:
    """Parse the other format."""
    answer = visit.metrics(openmetrics=True)
    if answer.status != 200:
        raise CannotCheckError(f"/metrics answers {answer.status}")
    return _parsed(answer, OPENMETRICS)


@point(
    "metrics.token",
    "Where scrapers have a token, `/metrics` answers 401 to whoever sends none or another.",
    "compare the Authorization header with 'Bearer <token>' in constant time, else answer 401",
)
def token(visit: Visit) -> Verdict:
    """Ask without the token."""
    if not visit.asked.token:
        raise CannotCheckError("no --token-file")
    without = visit.ask("GET", "/metrics").status
    wrong = visit.metrics(token=f"not-{visit.secret}").status
    seen = f"{without} without a token, {wrong} with another"
    return ok(seen) if {without, wrong} <= {401, 403} else fails(seen)


@point(
    "metrics.all-workers",
    "Each scrape tells of all workers: from one to the next nothing counted becomes less.",
    "add up what the workers count, as prometheus_client's multiprocess mode does",
)
def all_workers(visit: Visit) -> Verdict:
    """Scrape some times, each on a connection of its own."""
    _ = visit.known
    before = visit.scrape().cumulative
    for _ in range(6):
        now = visit.scrape().cumulative
        less = [name for (name, labels), old in before.items() if now.get((name, labels), 0) < old]
        if less:
            return fails(f"less than in the scrape before: {listed(sorted(set(less)))}")
        before = now
    return ok(f"{len(before)} series in 7 scrapes")


@point(
    "metrics.counted",
    f"`{SERVER}` counts each request exactly once, under its method, route and status.",
    "observe once a request, when its answer has ended; serve what all workers have observed",
)
def counted(visit: Visit) -> Verdict:
    """Send requests and see what rises."""
    if SERVER not in visit.scrape().named and SERVER not in _after_one(visit).named:
        raise CannotCheckError(f"there is no {SERVER}")
    rises = []
    for _ in range(3):
        before, began = visit.scrape(), time.monotonic()
        sent = [visit.send_known() for _ in range(_REQUESTS)]
        statuses = {str(each.status) for each in sent}
        rise = _settled(visit, before, sent[0].method, statuses)
        what = f"{sent[0].method} {visit.path}"
        seen = f"{_REQUESTS} × {what} sent, counted {_listed(rise)}"
        total = sum(rise.values())
        if total < _REQUESTS:
            return fails(seen)
        if total == _REQUESTS:
            return ok(seen) if len(rise) == len(statuses) else fails(seen)
        rises.append(total)
        idle = visit.scrape()
        time.sleep(min(time.monotonic() - began, _LONGEST_IDLE))
        if _risen(idle, visit.scrape(), sent[0].method, statuses):
            break
    if len(rises) == 3 and len(set(rises)) == 1:
        return fails(seen)
    raise CannotCheckError(f"others ask for {what} meanwhile: --path names a quiet one")


@point(
    "metrics.active",
    f"`{ACTIVE}` falls again when requests end.",
    "count down where the request ends, also when it fails",
)
def active(visit: Visit) -> Verdict:
    """Look whether requests that are answered are still served."""
    method = visit.known.method

    def served_now(scrape: Scrape) -> float:
        values = scrape.values(ACTIVE).items()
        return sum(value for labels, value in values if ("http_request_method", method) in labels)

    if ACTIVE not in visit.scrape().named:
        raise CannotCheckError(f"there is no {ACTIVE}")
    for _ in range(_REQUESTS):
        visit.send_known()
    before, ends = served_now(visit.first), time.monotonic() + _SETTLED
    while (now := served_now(visit.scrape())) - before >= _LEAKED:
        if time.monotonic() > ends:
            return fails(f"{now:g} after {before:g}, with every request answered")
        time.sleep(PAUSE)
    return ok(f"{now:g} with every request answered")


@point(
    "metrics.own-work",
    "`/metrics`, `/healthz`, `/readyz` and `/faults` are not counted as the service's work.",
    "leave these paths out of the middleware that measures",
)
def own_work(visit: Visit) -> Verdict:
    """Look for their routes."""
    visit.ask("GET", "/healthz")
    routes = {dict(labels).get("http_route", "") for labels in visit.scrape().values(_COUNT)}
    wrong = sorted(routes & set(OWN_PATHS))
    return fails(f"counted: {listed(wrong)}") if wrong else ok("none of them is a route")


@point(
    "metrics.series",
    "Every metric of `stack/telemetry.yaml` that has no `when` is there.",
    "add those that are missing, under these names",
)
def series(visit: Visit) -> Verdict:
    """Compare names with the contract."""
    named = _after_one(visit).named
    wanted = [each.name for each in contract.metrics() if not each.when]
    missing = [name for name in wanted if name not in named]
    return fails(f"missing: {listed(missing, 10)}") if missing else ok(f"all {len(wanted)}")


@point(
    "metrics.form",
    "The metrics of `stack/telemetry.yaml` have the type and the labels that it says.",
    "give them exactly these labels; Prometheus adds service, job and instance itself",
)
def form(visit: Visit) -> Verdict:
    """Compare types and labels with the contract."""
    named = _after_one(visit).named
    known = [each for each in contract.metrics() if each.name in named]
    wrong = []
    for metric in known:
        family = named[metric.name]
        if family.type != metric.type:
            wrong.append(f"{metric.name} is a {family.type}, not a {metric.type}")
        for sample in family.samples:
            labels = set(sample.labels) - {"le"}
            if (
                not metric.labels - (_MAY_BE_EMPTY if metric.when else set())
                <= labels
                <= metric.labels
            ):
                have, want = sorted(labels), sorted(metric.labels)
                wrong.append(f"{metric.name} has the labels {have}, not {want}")
                break
    return fails(listed(wrong)) if wrong else ok(f"{len(known)} metrics")


@point(
    "metrics.buckets",
    "Every histogram has buckets of which at least three end below infinity.",
    "give each histogram boundaries around the values that it is for",
)
def buckets(visit: Visit) -> Verdict:
    """Count the buckets of each series."""
    found = [f for f in _after_one(visit).named.values() if f.type == "histogram"]
    wrong = []
    for family in found:
        ends = Counter(
            tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
            for sample in family.samples
            if sample.name.endswith("_bucket") and sample.labels.get("le") != "+Inf"
        )
        if min(ends.values(), default=0) < 3:
            wrong.append(family.name)
    return fails(f"without: {listed(wrong)}") if wrong else ok(f"{len(found)} histograms")


POINTS = (
    *(served, openmetrics, token, all_workers, counted, active),
    *(own_work, series, form, buckets),
)
_COUNT = f"{SERVER}_count"


def _parsed(answer: Answer, wanted: str) -> Verdict:
    kind = answer.headers.get("Content-Type", "")
    if answer.status != 200 or not kind.startswith(wanted):
        return fails(f"{answer.status}, {kind or 'no content type'}")
    try:
        scrape = Scrape.read(answer.text, openmetrics=wanted == OPENMETRICS)
    except MalformedError as error:
        return fails(str(error))
    return ok(f"{len(scrape.families)} metrics") if scrape.families else fails("no metrics")


def _after_one(visit: Visit) -> Scrape:
    """Return the series once there are those of a request."""
    _ = visit.known, visit.unknown
    return visit.scrape()


def _settled(
    visit: Visit, before: Scrape, method: str, statuses: set[str]
) -> dict[tuple[str, str], float]:
    """Return what has risen, when it does so no more."""
    ends = time.monotonic() + _SETTLED
    rise: dict[tuple[str, str], float] = {}
    while sum(rise.values()) < _REQUESTS and time.monotonic() < ends:
        rise = _risen(before, visit.scrape(), method, statuses)
        time.sleep(PAUSE)
    # What is counted twice may be so a little later.
    time.sleep(_QUIET)
    return _risen(before, visit.scrape(), method, statuses)


def _risen(
    before: Scrape, after: Scrape, method: str, statuses: set[str]
) -> dict[tuple[str, str], float]:
    old = before.requests(method)
    rise = {key: value - old.get(key, 0.0) for key, value in after.requests(method).items()}
    return {key: value for key, value in rise.items() if value and key[1] in statuses}


def route_of(visit: Visit) -> str:
    """Return the route under which the known requests are counted; empty if nobody can tell."""
    status = {str(visit.known.status)}
    try:
        rise = _risen(visit.first, visit.scrape(), visit.known.method, status)
    except CannotCheckError:
        return ""
    routes = {route for route, _ in rise}
    return routes.pop() if len(routes) == 1 else ""


def _listed(rise: dict[tuple[str, str], float]) -> str:
    found = [f"{value:g} as {route} {status}" for (route, status), value in rise.items()]
    return listed(found) or "0"
