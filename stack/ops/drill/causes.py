"""What makes each alert's condition true: real faults wherever one can be caused without harm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import yaml

from stack.ops.drill.levers import Levers
from stack.ops.drill.synthetic import PAGES, TICKETS, in_trouble
from stack.ops.supervisor import wait_until

_SEEN_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Drilled:
    """An alert that a cause makes fire.

    Args:
        name: the alert's.
        labels: those that tell it from others of the name.
        heard_afterwards: it cannot be delivered while the fault lasts, since that is what is
            broken, or since a page for the same thing holds it back.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    heard_afterwards: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """A fault and the alerts that it makes fire.

    Args:
        what: in a few words.
        on: begins it, and ends it with its context.
        alerts: what fires.
        claims: what it disturbs; causes that share none can go on at the same time.
        needs_load: whether it shows only while questions are asked.
    """

    what: str
    on: Callable[[Levers], AbstractContextManager[None]]
    alerts: tuple[Drilled, ...]
    claims: frozenset[str]
    needs_load: bool = False


def _slow_gateway(levers: Levers) -> AbstractContextManager[None]:
    # More than 15 % of the questions, for the slower burns, and less than 30 %, for no page.
    return levers.fault("gateway", kind="latency", latency_seconds=3, path="/ask", probability=0.22)


def _failing_gateway(levers: Levers) -> AbstractContextManager[None]:
    return levers.fault("gateway", kind="error", status=500, path="/ask", probability=0.5)


def _failing_llm(levers: Levers) -> AbstractContextManager[None]:
    return levers.fault("llm", kind="error", status=503, path="/v1")


def _failing_searches(levers: Levers) -> AbstractContextManager[None]:
    return levers.fault("retrieval", kind="error", status=503, path="/search", probability=0.15)


def _flapping_llm(levers: Levers) -> AbstractContextManager[None]:
    breaker = 'circuit_breaker_state{service="gateway",component="llm"'

    def fail_and_recover(over: threading.Event) -> None:
        with levers.fault("llm", kind="error", status=503, path="/v1"):
            _wait(over, lambda: levers.value(f'{breaker},state="open"}}') == 1)
        # Half-open is not yet closed: what fails then is no new opening.
        _wait(over, lambda: levers.value(f'{breaker},state="closed"}}') == 1)

    return levers.again_and_again(fail_and_recover)


def _flapping_jaeger(levers: Levers) -> AbstractContextManager[None]:
    up = 'min(up{job="jaeger"})'

    def halt_and_continue(over: threading.Event) -> None:
        with levers.halted("jaeger"):
            _wait(over, lambda: levers.value(up) == 0)
        _wait(over, lambda: levers.value(up) == 1)

    return levers.again_and_again(halt_and_continue)


@contextmanager
def _busy_retrieval(levers: Levers) -> Iterator[None]:
    """Keep its threads busy with requests that nobody else makes; others wait for a moment."""
    url = levers.plan.url("RETRIEVAL_PORT", "/drill")
    slow = levers.fault("retrieval", kind="latency", latency_seconds=0.2, path="/drill")
    with slow, levers.again_and_again(lambda _: _ignore(levers.http.get(url)), at_once=24):
        yield


@contextmanager
def _growing_inbox(levers: Levers) -> Iterator[None]:
    url = levers.plan.url("INBOX_PORT", "/api/notifications")
    # Growth shows against what it was before, which Prometheus has to have seen.
    least = 'instance:process_resident_memory_bytes:min1h{service="inbox"}'
    wait_until(lambda: levers.value(least) is not None, _SEEN_WITHIN)
    with levers.fault("inbox", kind="memory", megabytes=120):
        levers.http.get(url)
        yield
    # Memory is given back by the first request after the fault.
    levers.http.get(url)


def _without(service: str) -> Callable[[Levers], AbstractContextManager[None]]:
    def take_out(text: str) -> str:
        targets = yaml.safe_load(text)
        return yaml.safe_dump([t for t in targets if t["labels"]["service"] != service])

    return lambda levers: levers.changed("prometheus/targets/services.yaml", take_out)


def _small_limit(levers: Levers) -> AbstractContextManager[None]:
    def limit(text: str) -> str:
        content = yaml.safe_load(text)
        for job in content["scrape_configs"]:
            if job["job_name"] == "alertmanager":
                job["sample_limit"] = 1
        return yaml.safe_dump(content, sort_keys=False)

    return levers.changed("prometheus/prometheus.yml", limit)


def _broken(path: str) -> Callable[[Levers], AbstractContextManager[None]]:
    return lambda levers: levers.changed(path, lambda text: f"{text}\nno_such_field: true\n")


def _impossible_rule(levers: Levers) -> AbstractContextManager[None]:
    return levers.rules("failing", {"record": "drill:impossible", "expr": "up * on () up"})


def _synthetic(levers: Levers) -> AbstractContextManager[None]:
    return levers.rules("synthetic", *in_trouble())


def _ignore(_: object) -> None:
    """Let an answer go: what counts is that it was waited for."""


def _wait(over: threading.Event, met: Callable[[], bool]) -> None:
    while not over.wait(0.2) and not met():
        pass


_GATEWAY = {"service": "gateway"}
_TO_LLM = {"service": "gateway", "component": "llm"}
_SYNTHETIC, _SYNTHETIC_PAGE = {"service": TICKETS}, {"service": PAGES}
_SLOW = {"slo": "gateway-latency"}
_FAILED = {"slo": "gateway-availability"}

# In an order in which those that can go on together come together.
CAUSES = (
    Cause(
        "a fifth of the questions take 3 s longer",
        _slow_gateway,
        (
            Drilled("HighLatency", _GATEWAY),
            Drilled("ErrorBudgetBurnSlow", _SLOW),
            Drilled("ErrorBudgetBurnSteady", _SLOW),
        ),
        frozenset({"gateway"}),
        needs_load=True,
    ),
    Cause(
        "retrieval fails 15 % of the searches",
        _failing_searches,
        (Drilled("RetriesHigh", {"service": "gateway", "component": "retrieval"}),),
        frozenset({"retrieval"}),
        needs_load=True,
    ),
    Cause(
        "llm fails and recovers again and again",
        _flapping_llm,
        (Drilled("CircuitBreakerFlapping", _TO_LLM, heard_afterwards=True),),
        frozenset({"llm"}),
        needs_load=True,
    ),
    Cause(
        "synthetic series, as in trouble",
        _synthetic,
        (
            Drilled("SeriesBudgetExceeded", _SYNTHETIC),
            Drilled("PrometheusStorageFailing", _SYNTHETIC),
            Drilled("JaegerSpansRefused", _SYNTHETIC),
            Drilled("JaegerSpansWaiting", _SYNTHETIC),
            Drilled("BalancerErrors", _SYNTHETIC_PAGE),
            Drilled("ThanosQueryIncomplete", _SYNTHETIC),
            Drilled("ThanosUploadFailing", _SYNTHETIC),
            Drilled("ThanosBucketFailing", _SYNTHETIC),
            Drilled("ThanosCompactionHalted", _SYNTHETIC),
            Drilled("ThanosAlertsLost", _SYNTHETIC_PAGE),
            Drilled("GrafanaErrors", _SYNTHETIC),
        ),
        frozenset({"rules"}),
    ),
    Cause(
        "a rule that cannot be evaluated",
        _impossible_rule,
        (Drilled("PrometheusRuleFailing"),),
        frozenset({"failing rules"}),
    ),
    Cause(
        "Jaeger halted",
        lambda levers: levers.halted("jaeger"),
        (Drilled("SpansLost", _GATEWAY),),
        frozenset({"jaeger"}),
        needs_load=True,
    ),
    Cause(
        "a broken alertmanager.yml",
        _broken("alertmanager/alertmanager.yml"),
        (Drilled("AlertmanagerConfigReloadFailed"),),
        frozenset({"alertmanager.yml"}),
    ),
    Cause(
        "gateway answers half of the questions with 500",
        _failing_gateway,
        (
            Drilled("HighErrorRatio", _GATEWAY),
            Drilled("ErrorBudgetBurnFast", _FAILED),
            Drilled("ErrorBudgetBurnMedium", _FAILED),
        ),
        frozenset({"gateway"}),
        needs_load=True,
    ),
    Cause(
        "llm answers with 503",
        _failing_llm,
        (
            Drilled("CircuitBreakerOpen", _TO_LLM),
            Drilled("CircuitBreakerRejecting", _TO_LLM, heard_afterwards=True),
        ),
        frozenset({"llm"}),
        needs_load=True,
    ),
    Cause(
        "inbox holds 120 MB more",
        _growing_inbox,
        (Drilled("MemoryGrowing", {"service": "inbox"}),),
        frozenset({"inbox"}),
    ),
    Cause(
        "retrieval taken out of the targets",
        _without("retrieval"),
        (Drilled("TargetMissing", {"service": "retrieval"}),),
        frozenset({"retrieval", "targets"}),
    ),
    Cause(
        "Jaeger halted again and again",
        _flapping_jaeger,
        (Drilled("TargetFlapping", {"job": "jaeger"}, heard_afterwards=True),),
        frozenset({"jaeger"}),
    ),
    Cause(
        "a broken prometheus.yml",
        _broken("prometheus/prometheus.yml"),
        (Drilled("PrometheusConfigReloadFailed"),),
        frozenset({"rules", "failing rules", "prometheus.yml"}),
    ),
    Cause(
        "llm halted",
        lambda levers: levers.halted("llm"),
        (Drilled("TargetDown", {"service": "llm"}),),
        frozenset({"llm"}),
    ),
    Cause(
        # Longer than TargetMissing remembers a target in a drill, hence another one.
        "gateway taken out of the targets",
        _without("gateway"),
        (Drilled("SliMissing", {"slo": "gateway-availability"}),),
        frozenset({"gateway", "targets"}),
    ),
    Cause(
        "24 clients for retrieval's eight threads",
        _busy_retrieval,
        (Drilled("WorkersBusy", {"service": "retrieval"}),),
        frozenset({"retrieval"}),
    ),
    Cause(
        "a limit of one sample for Alertmanager",
        _small_limit,
        (Drilled("ScrapeLimitExceeded"),),
        frozenset({"rules", "prometheus.yml"}),
    ),
    Cause(
        "inbox refuses half of the notifications",
        lambda levers: levers.fault(
            "inbox", kind="error", status=503, path="/api/v2/alerts", probability=0.5
        ),
        (Drilled("AlertmanagerNotificationsFailing"),),
        frozenset({"inbox"}),
    ),
    Cause(
        "Alertmanager ended",
        lambda levers: levers.ended("alertmanager"),
        (
            Drilled("PrometheusNotificationsFailing", heard_afterwards=True),
            Drilled("Watchdog"),
        ),
        # Nothing else can be delivered meanwhile.
        frozenset(
            {"gateway", "retrieval", "llm", "inbox", "jaeger"}
            | {"rules", "failing rules", "targets", "prometheus.yml", "alertmanager.yml"}
        ),
    ),
)
