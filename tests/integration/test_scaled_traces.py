"""Two collectors and a query over one Cassandra: what is lost when a part of them dies."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from stack.ops.cassandra import cassandra, find_cassandra
from stack.ops.components import Component, Plan
from stack.ops.jaeger import find_jaeger
from stack.ops.ports import free_ports
from stack.ops.scale.ports import PAIR
from stack.ops.scale.traces import collector, query
from tests.required import skip_scaled

# Java takes its time where the machine is busy.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parents[2]
# Acknowledged within this time before its end, a span may have been in a collector's memory alone.
IN_FLIGHT_SECONDS = 1.0
_OF_ONE = ("OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "METRICS_PORT", "SPAN_METRICS_PORT", "HALF_PORT")
_PORTS = (
    *(f"COLLECTOR_{name}_{port}" for name in "AB" for port in (*_OF_ONE, "HEALTH_PORT")),
    *("CASSANDRA_PORT", "CASSANDRA_STORAGE_PORT", "CASSANDRA_METRICS_PORT", "PROMETHEUS_PORT"),
    *("JAEGER_QUERY_PORT", "JAEGER_METRICS_PORT", "JAEGER_HEALTH_PORT"),
)


class Traces:
    """The traces' part, each component a process of the test's own."""

    def __init__(self, plan: Plan, jars: Path) -> None:
        self.plan = plan
        self.jars = jars
        self._client = httpx.Client()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, component: Component, seconds: float = 120) -> None:
        """Start it, again if it ends before it is healthy, as the supervisor would."""
        ends = time.monotonic() + seconds
        with (self.plan.run_dir / f"{component.name}.log").open("ab") as log:
            while time.monotonic() < ends:
                process = self._running.get(component.name)
                if process is None or process.poll() is not None:
                    self._running[component.name] = subprocess.Popen(
                        component.command,
                        env={**os.environ, **component.environment},
                        stdout=log,
                        stderr=log,
                    )
                if _answers(component.health):
                    return
                time.sleep(0.2)
        pytest.fail(f"{component.name} is not healthy; see {log.name}")

    def end(self, name: str, how: signal.Signals) -> None:
        process = self._running.pop(name)
        process.send_signal(how)
        process.wait(20)

    def listening(self) -> list[Any]:
        """Return the sockets on which the components take connections."""
        return [
            each
            for process in self._running.values()
            for each in psutil.Process(process.pid).net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        ]

    def end_all(self) -> None:
        for name in reversed(list(self._running)):
            self.end(name, signal.SIGKILL)
        self._client.close()

    def collector(self, name: str, sampling: str = "head", **settings: str) -> Component:
        """Return a collector with other settings, as the environment gives them."""
        part = collector(replace(self.plan, sampling=sampling), name)
        return replace(part, environment={**part.environment, **settings})

    def replace_collectors(self, sampling: str = "head", **settings: str) -> None:
        """Start both collectors anew, with other settings."""
        for name in PAIR:
            part = self.collector(name, sampling, **settings)
            if part.name in self._running:
                self.end(part.name, signal.SIGTERM)
            self.start(part)

    def send(self, to: str, trace: str, span: str, *, error: bool = False) -> bool:
        """Send one span to a collector; tell whether it was acknowledged."""
        now = time.time_ns()
        described = {
            "traceId": trace,
            "spanId": span,
            "name": "work",
            "kind": 1,
            "startTimeUnixNano": str(now - 1_000_000),
            "endTimeUnixNano": str(now),
            "status": {"code": 2} if error else {},
        }
        name = {"key": "service.name", "value": {"stringValue": "scaled"}}
        resource = {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [described]}]}
        address = self.plan.url(f"COLLECTOR_{to.upper()}_OTLP_HTTP_PORT", "/v1/traces")
        try:
            answer = self._client.post(address, json={"resourceSpans": [resource]}, timeout=5)
        except httpx.HTTPError:
            return False
        return answer.is_success

    def waiting(self) -> float:
        """Return how many spans the collectors hold, as their own metrics say."""
        total = 0.0
        for name in PAIR:
            url = self.plan.url(f"COLLECTOR_{name.upper()}_METRICS_PORT", "/metrics")
            lines = httpx.get(url, timeout=5).text.splitlines()
            sizes = [each for each in lines if each.startswith("otelcol_exporter_queue_size{")]
            assert sizes, f"{url} has no queue"
            total += sum(float(each.rpartition(" ")[2]) for each in sizes)
        return total

    def found(self, trace: str) -> set[str]:
        """Return the ids of a trace's stored spans."""
        answer = httpx.get(self.plan.url("JAEGER_QUERY_PORT", f"/api/traces/{trace}"), timeout=10)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return set()
        answer.raise_for_status()
        return {span["spanID"] for each in answer.json()["data"] for span in each["spans"]}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    """Cassandra, both collectors and the query, with ports of their own."""
    run_dir = tmp_path_factory.mktemp("scaled")
    jars, jaeger = find_cassandra(ROOT / ".run"), find_jaeger(ROOT / ".run")
    if jars is None:
        skip_scaled("Java is not on PATH, or Cassandra was not fetched: `make cassandra`")
    if jaeger is None:
        skip_scaled("Jaeger was not built: `make jaeger`")
    plan = Plan(ROOT, run_dir, free_ports(_PORTS), jaeger=str(jaeger))
    running = Traces(plan, jars)
    try:
        running.start(cassandra(plan, jars))
        running.replace_collectors()
        running.start(query(plan))
        yield running
    finally:
        running.end_all()


def test_spans_of_one_trace_meet(traces: Traces) -> None:
    """Whichever collector took a span, the query shows it in its trace."""
    trace, first, second = _trace(), _span(), _span()
    assert traces.send("a", trace, first)
    assert traces.send("b", trace, second)
    assert _within(10, lambda: traces.found(trace) == {first, second})


def test_nobody_else_is_listened_to(traces: Traces) -> None:
    """All ports, Java's own for management too, are open to this machine alone."""
    hosts = {each.laddr.ip.removeprefix("::ffff:") for each in traces.listening()}
    assert hosts == {"127.0.0.1"}


def test_cassandra_restarted(traces: Traces) -> None:
    """What was stored outlives a kill, and what is accepted meanwhile arrives afterwards."""
    before, meanwhile = _trace(), [_trace() for _ in range(20)]
    span = _span()
    assert traces.send("a", before, span)
    assert _within(10, lambda: traces.found(before) == {span})
    time.sleep(1)  # Longer than the commit log's period.
    traces.end("cassandra", signal.SIGKILL)
    accepted = [traces.send("ab"[index % 2], each, span) for index, each in enumerate(meanwhile)]
    assert all(accepted)
    assert _within(20, lambda: traces.waiting() == len(meanwhile))
    traces.start(cassandra(traces.plan, traces.jars))
    assert _within(60, lambda: all(_try(traces, each) == {span} for each in meanwhile))
    assert traces.found(before) == {span}
    assert _within(20, lambda: traces.waiting() == 0)


@pytest.mark.parametrize("wait", [False, True], ids=["queue", "wait-for-storage"])
def test_collector_killed(traces: Traces, wait: bool) -> None:
    """Only what was in flight is lost, and nothing at all when Cassandra is waited for."""
    waits = {"JAEGER_WAIT_FOR_STORAGE": str(wait).lower()}
    traces.replace_collectors(**waits)
    trace, stop = _trace(), threading.Event()
    acknowledged: dict[str, tuple[str, float]] = {}

    def stream() -> None:
        turn = 0
        while not stop.is_set():
            span = _span()
            # To one after the other; what one refuses goes to the other, as with a balancer.
            order = ("a", "b") if turn % 2 == 0 else ("b", "a")
            by = next((to for to in order if traces.send(to, trace, span)), None)
            if by is not None:
                acknowledged[span] = (by, time.monotonic())
            turn += 1
            # Fewer than Cassandra writes, so that none waits for long.
            time.sleep(0.01)

    senders = [threading.Thread(target=stream) for _ in range(3)]
    for sender in senders:
        sender.start()
    time.sleep(2)
    killed = time.monotonic()
    traces.end("jaeger-collector-a", signal.SIGKILL)
    time.sleep(2)
    stop.set()
    for sender in senders:
        sender.join()
    after = [span for span, (_, at) in acknowledged.items() if at > killed + 0.5]
    by_it = {span for span, (by, _) in acknowledged.items() if by == "a"}
    in_flight = {span for span in by_it if acknowledged[span][1] > killed - IN_FLIGHT_SECONDS}
    allowed = set() if wait else in_flight
    _within(60, lambda: acknowledged.keys() - traces.found(trace) <= allowed)
    lost = acknowledged.keys() - traces.found(trace)
    print(f"{len(acknowledged)} acknowledged, {len(by_it)} by the killed one, {len(lost)} lost")
    assert by_it, "the killed collector took nothing"
    assert after, "the other collector took nothing"
    assert lost <= allowed
    traces.start(traces.collector("a", **waits))


def test_tail_sampling_sees_whole_traces(traces: Traces) -> None:
    """An error keeps all of its trace, though its spans came by both collectors."""
    traces.replace_collectors("tail", JAEGER_KEPT_PERCENT="0", JAEGER_DECISION_WAIT="5s")
    failed, fine = [_trace() for _ in range(20)], [_trace() for _ in range(20)]
    span, error = _span(), _span()
    for trace in failed:
        assert traces.send("a", trace, span)
        assert traces.send("b", trace, error, error=True)
    for trace in fine:
        assert traces.send("a", trace, span)
        assert traces.send("b", trace, error)
    assert _within(40, lambda: all(traces.found(trace) == {span, error} for trace in failed))
    time.sleep(2)
    assert [trace for trace in fine if traces.found(trace)] == []


def _trace() -> str:
    # Jaeger leaves out leading zeros.
    return "1" + secrets.token_hex(16)[1:]


def _span() -> str:
    return "1" + secrets.token_hex(8)[1:]


def _try(traces: Traces, trace: str) -> set[str]:
    """Return what is found; nothing while the query has no connection to Cassandra yet."""
    try:
        return traces.found(trace)
    except httpx.HTTPError:
        return set()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.2)
    return True
