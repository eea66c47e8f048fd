"""Recording hangs neither in a signal handler, nor in a forked child, nor on its own log lines."""

import os
import subprocess
import sys
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

import stack
from stack import runtime
from stack.metrics import PrometheusMetricsCollector, collector, get_prometheus_collector
from stack.metrics import instruments as own

COMPONENT = "locked"
LOGS = get_prometheus_collector()._series.logs
CALLS = get_prometheus_collector()._series.calls


def component_lock() -> Any:
    shared = get_prometheus_collector()
    shared.record_circuit_breaker_call(COMPONENT, 0.1)
    return shared._components[COMPONENT]._lock


def log() -> None:
    get_prometheus_collector().record_log_entry(COMPONENT)


def call() -> None:
    get_prometheus_collector().record_circuit_breaker_call(COMPONENT, 0.1)


def transition() -> None:
    get_prometheus_collector().record_circuit_breaker_transition(COMPONENT, "open", "closed")


def request() -> None:
    own.record_client_request(COMPONENT, "GET", 200, "", 0.1)


# What may be interrupted, or forked, while a lock is held, and the lock.
RECORDS: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "a call": (component_lock, call),
    "a transition": (component_lock, transition),
    "a line": (lambda: get_prometheus_collector()._lock, log),
    "a new series of lines": (lambda: LOGS._lock, log),
    "a request": (lambda: own._lock, request),
    "a new series of requests": (lambda: own._CLIENT_DURATION._lock, request),
    "a retry": (lambda: own._lock, lambda: own.record_retry(COMPONENT, "success")),
    "a span": (lambda: own._lock, lambda: own.record_spans("dropped", 1)),
    "a held line": (lambda: own._lock, lambda: own.record_held_line("info")),
    "a served request": (lambda: own._lock, lambda: own.record_server_request("G", "/", 200, 0.1)),
    "a request being served": (lambda: own._lock, lambda: own.server_request_began("GET")),
}
# Only a fork may find these held.
HELD_BY_OTHERS: dict[str, tuple[Callable[[], Any], Callable[[], object]]] = {
    "the first collector": (lambda: collector._creation, get_prometheus_collector),
    "the setup": (lambda: runtime._lock, lambda: stack.setup("forked")),
    "a scrape": (lambda: own.REGISTRY._lock, get_prometheus_collector().export_prometheus_format),
    "a number that is read": (
        lambda: CALLS.labels(COMPONENT, "success")._value._lock,
        get_prometheus_collector().export_prometheus_format,
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_signal_handler_may_record_while_its_thread_is_recording(name: str) -> None:
    """The handler runs where the lock is held, and there is no one else to wait for."""
    lock, record = RECORDS[name]

    def interrupted() -> None:
        with lock():
            record()

    assert ends(interrupted)


@pytest.mark.parametrize("name", [*RECORDS, *HELD_BY_OTHERS])
def test_a_forked_child_does_not_wait_for_its_parents_threads(name: str) -> None:
    """A lock that another thread held at the fork would never be released in the child."""
    lock, record = {**RECORDS, **HELD_BY_OTHERS}[name]
    held = lock()
    with held:
        pid = os.fork()
        if pid == 0:
            # Another thread, for this one holds what is reentrant.
            os._exit(0 if ends(record) else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def ends(work: Callable[[], object]) -> bool:
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def test_passing_the_limit_of_components_hangs_no_process() -> None:
    """The line that says so is counted by the very collector that has passed its limit."""
    program = """
import stack
stack.setup("many")
collector = stack.get_prometheus_collector()
for number in range(202):
    collector.record_circuit_breaker_call(f"c{number}", 0.1)
for number in range(202):
    collector.record_log_entry(f"l{number}")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("more than 200 components") == 1


def test_a_summary_never_shows_half_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread that looks in the middle of a record waits for its end."""
    made = PrometheusMetricsCollector()
    made.record_circuit_breaker_call("llm", 2.0, success=False)
    seen: list[tuple[int, float]] = []

    def look() -> None:
        summary = made.get_metrics_summary("llm")
        seen.append((summary["total_calls"], summary["avg_latency"]))

    looking = Thread(target=look)

    def in_the_middle() -> float:
        looking.start()
        looking.join(0.2)
        return 1.0

    clock = SimpleNamespace(time=in_the_middle)
    monkeypatch.setattr("stack.metrics.component.time", clock)
    made.record_circuit_breaker_call("llm", 2.0, success=False)
    looking.join(5)
    assert seen == [(2, 2.0)]
