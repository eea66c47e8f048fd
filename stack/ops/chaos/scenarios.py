"""The scenarios: to add one, add a fault and what must follow to `SCENARIOS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from stack.errors import OpsError
from stack.ops.chaos import oracles as must
from stack.ops.chaos.callers import MODELS
from stack.ops.chaos.oracles import Oracle
from stack.ops.chaos.stage import Stage
from stack.ops.drill.causes import Drilled
from stack.ops.drill.levers import Levers

OPEN = Drilled("CircuitBreakerOpen", {"service": "gateway", "component": "llm"})
ERRORS = Drilled("HighErrorRatio", {"service": "llm"})
# What the objective of the gateway's latency allows, in seconds.
_SLOW = 2.5
# A gateway waits for llm for 7.5 s at most; a question may first have to wait for a free thread.
_SLOWEST = 18.0
_CALLS = "/v1"
_MADE_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault and what must follow.

    Args:
        name: as the command takes it.
        what: fails, in a few words.
        on: begins it, and ends it with its context.
        alert: what is watched.
        during: must be so before the fault ends, waited for in this order.
        afterwards: must be so after it, waited for in this order.
        throughout: judged at the end, over all that has been seen.
    """

    name: str
    what: str
    on: Callable[[Levers, Stage], AbstractContextManager[None]]
    alert: Drilled
    during: tuple[Oracle, ...]
    afterwards: tuple[Oracle, ...]
    throughout: tuple[Oracle, ...]


def _failing(levers: Levers, _: Stage) -> AbstractContextManager[None]:
    return levers.fault("llm", kind="error", status=503, path=_CALLS)


def _gone(levers: Levers, _: Stage) -> AbstractContextManager[None]:
    return levers.fault("llm", kind="drop", path=_CALLS)


def _slow(levers: Levers, _: Stage) -> AbstractContextManager[None]:
    # Longer than the 5 s that gateway gives one attempt.
    return levers.fault("llm", kind="latency", latency_seconds=6, path=_CALLS)


_PERCENT = (10, 30, 60, 100)
_SHARE = "llm fails {} % of its calls"


@contextmanager
def _rising(levers: Levers, stage: Stage) -> Iterator[None]:
    with ExitStack() as on:
        for percent in _PERCENT:
            fault = {"kind": "error", "status": 503, "path": _CALLS, "probability": percent / 100}
            # It takes the place of the one before; nothing ends between the two.
            on.enter_context(levers.fault("llm", **fault))
            stage.mark(_SHARE.format(percent))
            if percent < 100:
                _let_ask(stage, 40)
        yield


def _let_ask(stage: Stage, questions: int) -> None:
    enough = len(stage.answered()) + questions
    stage.until(lambda: len(stage.answered()) >= enough, _MADE_WITHIN)


@contextmanager
def _failing_for_many(levers: Levers, stage: Stage) -> Iterator[None]:
    with _failing(levers, stage), stage.callers.burst(threads=50, each=20) as done:
        _finish(stage, done, "50 threads have made 20 calls each")
        yield


@contextmanager
def _recorded(levers: Levers, stage: Stage) -> Iterator[None]:
    # The callers' fault by its status: it is counted, and wakes nobody.
    fault = levers.fault("llm", kind="error", status=429, path=MODELS.path, probability=0.5)
    with fault, stage.models.burst(threads=20, each=100) as done:
        _finish(stage, done, "20 threads have made 100 requests each")
        yield


def _finish(stage: Stage, done: Callable[[], bool], what: str) -> None:
    if not stage.until(done, _MADE_WITHIN):
        raise OpsError(f"not within {_MADE_WITHIN:g} s: {what}; see `make status`")
    stage.mark(what)


_CONTAINED = (must.no_errors(), must.stays_closed("retrieval"), must.callers_breaker_closed())
_SEEN = (must.opens("llm"), must.counted_by_prometheus("llm"), must.delivered(OPEN))
_OVER = (must.closes("llm"), must.whole(), must.resolved(OPEN))

SCENARIOS = (
    Scenario(
        "gradual-failure",
        "llm fails more and more of its calls, at last all",
        _rising,
        OPEN,
        during=_SEEN,
        afterwards=_OVER,
        throughout=(
            must.opens_not_before("llm", _SHARE.format(60), failures=5),
            *_CONTAINED,
            must.quick(0.95, _SLOW),
        ),
    ),
    Scenario(
        "transient-outage",
        "llm drops its connections until the breaker opens",
        _gone,
        OPEN,
        during=(must.opens("llm"),),
        afterwards=(
            must.closes("llm"),
            must.whole(),
            must.counted_by_prometheus("llm"),
            must.pages_nobody(OPEN, "llm"),
        ),
        throughout=(must.opens_once("llm"), *_CONTAINED, must.quick(0.95, _SLOW)),
    ),
    Scenario(
        "concurrent-failures",
        "llm fails while 50 threads make 20 calls each",
        _failing_for_many,
        OPEN,
        during=_SEEN,
        afterwards=(*_OVER, must.adds_up("llm")),
        throughout=(
            must.opens_once("llm"),
            must.spared("llm", 0.05),
            *_CONTAINED,
            must.quick(0.95, _SLOW),
        ),
    ),
    Scenario(
        "cascade",
        "llm fails; callers call gateway, which calls llm",
        _failing,
        OPEN,
        during=_SEEN,
        afterwards=_OVER,
        throughout=(must.falls_back(), *_CONTAINED, must.quick(0.95, _SLOW)),
    ),
    Scenario(
        "latency-spike",
        "llm takes 6 s longer",
        _slow,
        OPEN,
        during=(must.opens("llm", within=40), *_SEEN[1:]),
        afterwards=(must.closes("llm", within=20), *_OVER[1:]),
        throughout=(
            *_CONTAINED,
            must.quick(1, _SLOWEST),
            must.quick(0.9, _SLOW, once_open="llm"),
        ),
    ),
    Scenario(
        "state-transitions",
        "llm fails until a probe has failed, too",
        _failing,
        OPEN,
        during=(must.opens("llm"), must.probe_fails("llm"), *_SEEN[1:]),
        afterwards=(*_OVER, must.every_transition("llm")),
        throughout=(must.opens_once("llm"), *_CONTAINED),
    ),
    Scenario(
        "concurrent-records",
        "llm refuses half of what 20 threads ask 100 times each",
        _recorded,
        ERRORS,
        during=(must.counted(2000, MODELS.path), must.scraped(MODELS.path)),
        afterwards=(must.whole(), must.pages_nobody(ERRORS)),
        throughout=(must.stays_closed("llm"), *_CONTAINED),
    ),
)
