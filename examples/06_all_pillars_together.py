"""Breaker, metrics, traces and logs of the same calls, and the ids that lead from one to another.

Shows: five requests for an exchange rate. One fails while nothing is cached yet, one is answered,
two fail and get the cached rate, and the last is refused by the open breaker and gets it too.

Look for: each request's log line has its span's `trace_id`; the histogram's exemplars have the ids
of calls that were made, the slow and the quick one; the transition is an event of the span in
which the breaker opened, and a log line with that span's ids.

You want it when an alert fires: from the series to an exemplar, its trace, and the trace's lines.
"""

import json
import time
from contextlib import redirect_stdout
from io import StringIO

from prometheus_client import REGISTRY

import stack

# Without a running stack there is nobody to send spans to; a service leaves `settings` out.
stack.setup("shop", settings=stack.Settings(traces_exporter="none"))
tracer = stack.get_otel_tracer()
cache: dict[str, float] = {}


def cached(error: BaseException) -> float:
    """Answer in place of a failed or refused call."""
    stack.log_event("fallback", level="warning", reason=type(error).__name__, hit="rate" in cache)
    if "rate" not in cache:
        raise error
    return cache["rate"]


breaker = stack.get_circuit_breaker("rates", failure_threshold=2, fallback=cached)


def fetch(is_up: bool) -> float:
    """Stand in for the service that knows the rate; it is slow when it answers."""
    if not is_up:
        raise ConnectionError("no route to rates")
    time.sleep(0.03)
    cache["rate"] = 1.17
    return cache["rate"]


def request(number: int, is_up: bool) -> str:
    """Serve one request and return its trace's id."""
    with stack.LogContext(request_id=f"req-{number}"), tracer.span_context("convert") as span:
        try:
            stack.log_event("converted", rate=breaker.call(fetch, is_up))
        except ConnectionError as error:
            span.record_error(error)
            stack.log_error(error)
    return span.trace_id


if __name__ == "__main__":
    with redirect_stdout(StringIO()) as written:
        traces = {request(n, n == 2): f"req-{n}" for n in range(1, 6)}
    print("request  span    trace_id                          log line")
    for line in map(json.loads, written.getvalue().splitlines()):
        name = line["event_type"].removeprefix("circuit_breaker_")
        detail = line.get("rate") or line.get("reason") or line["error_message"]
        print(f"{traces[line['trace_id']]:<7}  {line['span_id'][:6]}  {line['trace_id']}", end="")
        print(f"  {name}: {detail}")
    print("\nrequest  exemplar of a bucket of circuit_breaker_call_duration_seconds")
    for sample in (sample for family in REGISTRY.collect() for sample in family.samples):
        if sample.exemplar and sample.labels.get("component") == "rates":
            trace_id = sample.exemplar.labels["trace_id"]
            print(f"{traces[trace_id]:<7}  {trace_id} in le={sample.labels['le']}")
    print("\nrequest  status  events of its span")
    for (span,) in tracer.get_completed_traces():
        request_id = traces[f"{span.context.trace_id:032x}"]
        events = ", ".join(event.name for event in span.events) or "none"
        print(f"{request_id:<7}  {span.status.status_code.name:<6}  {events}")
    summary = stack.get_prometheus_collector().get_metrics_summary("rates")
    print(f"\n{breaker.stats()}\ncollector: {summary['failed_calls']} of ", end="")
    print(f"{summary['total_calls']} calls failed, state {summary['current_state']}")
