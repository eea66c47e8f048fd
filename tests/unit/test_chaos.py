"""Chaos on the running stack: what is chosen, and that each oracle can fail."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stack.errors import OpsError
from stack.ops.chaos import oracles as must
from stack.ops.chaos.callers import ASK, MODELS, Answer, Callers
from stack.ops.chaos.cli import chaos, table, verdict
from stack.ops.chaos.counts import ANSWERS, BREAKER_CALLS, REQUESTS, TRANSITIONS, Counts
from stack.ops.chaos.oracles import CONTAINMENT, DETECTION, RECOVERY, Oracle, quantile
from stack.ops.chaos.run import Judgement, Played, choose, play
from stack.ops.chaos.scenarios import ERRORS, OPEN, SCENARIOS
from stack.ops.chaos.stage import WAYS, Sources, Stage, Transition
from stack.ops.components import Plan
from stack.ops.drill.observer import Seen
from stack.ops.drill.patience import Patience
from stack.ops.ports import DEFAULTS

ROOT = Path(__file__).parents[2]
NAMES = [
    "gradual-failure",
    "transient-outage",
    "concurrent-failures",
    "cascade",
    "latency-spike",
    "state-transitions",
    "concurrent-records",
]
NOW = time.time()
BEGAN, ENDED = NOW - 100, NOW - 50
HALF = "llm fails half of its calls"


AFTER = {
    f'{TRANSITIONS}{{component="llm",from_state="closed",to_state="open"}}': 1.0,
    f'{BREAKER_CALLS}{{component="llm",outcome="success"}}': 10.0,
    f'{BREAKER_CALLS}{{component="llm",outcome="failure"}}': 5.0,
    f'{BREAKER_CALLS}{{component="llm",outcome="rejected"}}': 95.0,
    f'{ANSWERS}{{outcome="model"}}': 10.0,
    f'{ANSWERS}{{outcome="passages"}}': 100.0,
    f'{REQUESTS}{{http_route="/v1/models",http_response_status_code="200"}}': 1.0,
    f'{REQUESTS}{{http_route="/v1/models",http_response_status_code="429"}}': 1.0,
}
ANSWERED = [
    *(Answer(BEGAN + 1 + n, 0.2, 200, degraded=True) for n in range(20)),
    *(Answer(ENDED + 20 + n, 0.2, 200) for n in range(5)),
]


@dataclass
class Told:
    """What the services, Prometheus and the inbox say; as it is when all goes well."""

    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=lambda: dict(AFTER))
    prometheus: float | None = 1.0
    ways: list[tuple[str, str]] = field(default_factory=lambda: [*WAYS[:3], WAYS[1], WAYS[3]])
    retrieval: int = 0
    opened: float = 5.0
    closed: float = 60.0
    answers: list[Answer] = field(default_factory=lambda: list(ANSWERED))
    models: list[int] = field(default_factory=lambda: [200, 429])
    failed: int = 0
    firing: float | None = 10.0
    delivered: float | None = 11.0
    resolved: float | None = 70.0
    active: bool = False


def staged(told: Told) -> Stage:
    """Return a stage on which that has been seen."""
    readings = iter([told.before, told.before])

    def read(_: str) -> Counts:
        lines = next(readings, told.after)
        return Counts.parse("".join(f"{series} {value}\n" for series, value in lines.items()))

    labels = {"alertname": OPEN.name, **OPEN.labels}
    alerts = [{"labels": labels, "state": "firing"}] if told.active else []
    patience = Patience(window=0, lasts=30, keeps=0, grouping=1)
    sources = Sources(
        read,
        lambda _: told.prometheus,
        lambda: Seen(NOW, alerts, [], "ok"),
        {OPEN.name: patience, ERRORS.name: patience},
        breaker_timeout=1.0,
        interval=1.0,
    )
    callers = Callers("gateway", "http://127.0.0.1:1", ASK, told.answers)
    models = Callers("llm", "http://127.0.0.1:1", MODELS)
    models.answers += [Answer(BEGAN + 1, 0.1, status) for status in told.models]
    for _ in range(told.failed):
        with pytest.raises(ZeroDivisionError):
            callers.breaker.call(lambda: 1 / 0)
    stage = Stage(sources, callers, models, [OPEN], lambda _: None)
    stage.begin("a fault")
    stage.began, stage.ended, stage.marks[HALF] = BEGAN, ENDED, BEGAN + 4
    times = [told.opened, 20, 30, 40, told.closed]
    stage.transitions = [
        Transition(BEGAN + at, "llm", way, 5) for at, way in zip(times, told.ways, strict=False)
    ]
    stage.transitions += [Transition(BEGAN, "retrieval", WAYS[0], 5)] * told.retrieval
    stage._states["llm"] = told.ways[-1][1] if told.ways else "closed"
    line = stage.lines[OPEN.name]
    line.fault, line.ended = BEGAN, ENDED
    line.pending = line.firing = told.firing and BEGAN + told.firing
    line.delivered = told.delivered and BEGAN + told.delivered
    line.resolved = told.resolved and BEGAN + told.resolved
    return stage


def _less(series: str) -> dict[str, float]:
    return {name: value - (series in name) for name, value in AFTER.items()}


SILENT: dict[str, Any] = {"firing": None, "delivered": None, "resolved": None}
# An oracle, and something that is otherwise than it must be.
FALSE: list[tuple[Oracle, dict[str, Any]]] = [
    (must.opens("llm"), {"ways": []}),
    (must.probe_fails("llm"), {"ways": [WAYS[0], WAYS[1], WAYS[3]]}),
    (must.counted_by_prometheus("llm"), {"prometheus": 0.0}),
    (must.counted_by_prometheus("llm"), {"prometheus": None}),
    (must.counted_by_prometheus("llm"), {"ways": []}),
    (must.delivered(OPEN), {"delivered": None}),
    (must.no_errors(), {"answers": [*ANSWERED, Answer(BEGAN + 9, 0.1, 503)]}),
    (must.no_errors(), {"answers": [*ANSWERED, Answer(BEGAN + 9, 30.0, 0)]}),
    (must.no_errors(), {"answers": []}),
    (must.quick(0.95, 1), {"answers": [*ANSWERED, *[Answer(BEGAN + 9, 1.5, 200)] * 2]}),
    (must.quick(1, 1), {"answers": [*ANSWERED, Answer(BEGAN + 9, 1.5, 200)]}),
    (must.quick(0.9, 1), {"answers": []}),
    (must.quick(1, 1, once_open="llm"), {"answers": [Answer(BEGAN + 6, 1.5, 200)]}),
    (must.stays_closed("retrieval"), {"retrieval": 1}),
    (must.callers_breaker_closed(), {"failed": 1}),
    (must.callers_breaker_closed(), {"failed": 5}),
    (must.falls_back(), {"answers": ANSWERED[20:]}),
    (must.opens_not_before("llm", HALF, 5), {"opened": 3.0}),
    (must.opens_not_before("llm", HALF, 5), {"ways": []}),
    (must.opens_once("llm"), {"ways": [*WAYS[:2], WAYS[3], WAYS[0]]}),
    (must.spared("llm", 0.05), {"after": _less('outcome="rejected"')}),
    (must.adds_up("llm"), {"after": _less('outcome="rejected"')}),
    (must.adds_up("llm"), {"after": _less('outcome="model"')}),
    (must.every_transition("llm"), {"ways": [WAYS[0], WAYS[1], WAYS[3]]}),
    (must.every_transition("llm"), {"ways": list(WAYS)}),
    (must.counted(2, MODELS.path), {"after": _less('code="429"')}),
    (must.counted(2, MODELS.path), {"models": [200, 200]}),
    (must.counted(2, MODELS.path), {"models": [200]}),
    (must.closes("llm"), {"ways": [*WAYS[:3]]}),
    (must.whole(), {"answers": [*ANSWERED, Answer(NOW, 0.2, 200, degraded=True)]}),
    (must.whole(), {"answers": ANSWERED[:-1]}),
    (must.resolved(OPEN), {"resolved": None}),
]


@pytest.mark.parametrize(
    ("oracle", "change"), FALSE, ids=[f"{o.says}: {', '.join(c)}" for o, c in FALSE]
)
def test_an_oracle_is_met_when_all_goes_well_and_only_then(
    oracle: Oracle, change: dict[str, Any]
) -> None:
    """What is otherwise in one respect is noticed; both ways it says by which figure."""
    good, bad = staged(Told()), staged(Told(**change))
    assert oracle.met(good)
    assert not oracle.met(bad)
    assert oracle.measured(good)
    assert oracle.measured(bad)


def test_prometheus_may_not_have_another_count_than_the_service() -> None:
    """What it has of the llm's requests is what the llm's workers have together."""
    oracle = must.scraped(MODELS.path)
    assert oracle.met(staged(Told(prometheus=2.0)))
    assert not oracle.met(staged(Told(prometheus=1.0)))


@pytest.mark.parametrize(
    ("change", "met"),
    [
        (SILENT, True),
        ({**SILENT, "active": True}, False),
        # Open for 55 s, longer than the alert's 30.
        ({}, True),
        ({"resolved": None}, False),
        ({"closed": 31.0}, False),
    ],
    ids=["silent", "pending", "rightly", "rightly, and not resolved", "too early"],
)
def test_an_alert_may_fire_for_a_short_outage_only_if_it_was_none(
    change: dict[str, Any], met: bool
) -> None:
    """Less than the alert's `for` pages nobody; more may, and is resolved."""
    assert must.pages_nobody(OPEN, "llm").met(staged(Told(**change))) == met


def test_an_alert_that_has_no_reason_may_not_fire() -> None:
    """Where no breaker opens, nothing excuses it."""
    assert must.pages_nobody(OPEN).met(staged(Told(**SILENT)))
    assert not must.pages_nobody(OPEN).met(staged(Told()))


def test_each_scenario_is_seen_contained_and_over() -> None:
    """All three kinds of oracle judge each."""
    assert [each.name for each in SCENARIOS] == NAMES
    for each in SCENARIOS:
        oracles = [*each.during, *each.afterwards, *each.throughout]
        assert {oracle.kind for oracle in oracles} == {DETECTION, CONTAINMENT, RECOVERY}
        assert any(each.alert.name in oracle.says for oracle in oracles)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["4"], ["cascade"]),
        (["cascade"], ["cascade"]),
        (["ALL"], NAMES),
        (["2", "1"], NAMES[1::-1]),
    ],
)
def test_a_scenario_has_a_name_and_a_number(wanted: list[str], expected: list[str]) -> None:
    """Both are understood, in the order in which they are given."""
    assert [each.name for each in choose(wanted)] == expected


@pytest.mark.parametrize("wanted", ["8", "cascades", "all", ""])
def test_an_unknown_scenario_is_named_with_those_that_there_are(wanted: str) -> None:
    """The message has the name, and what it can be."""
    ended = CliRunner().invoke(chaos, [wanted])
    assert ended.exit_code == 1
    said = " ".join(ended.output.split())
    assert f"SCENARIO={wanted!r} is no scenario; there are ALL, 1 gradual-failure, 2" in said


def test_without_a_scenario_the_list_is_shown() -> None:
    """So that `make chaos` alone says what it can do."""
    with pytest.raises(OpsError, match=r"ALL, 1 gradual-failure, .*, 7 concurrent-records$"):
        choose([])


def test_when_nothing_runs_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be disturbed then."""
    monkeypatch.setattr("stack.ops.chaos.cli.running_plan", lambda _: None)
    ended = CliRunner().invoke(chaos, ["cascade"])
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "nothing runs to be disturbed; `make up` starts it" in " ".join(ended.stderr.split())


def test_at_a_speed_at_which_nothing_can_be_seen_it_does_not_begin(tmp_path: Path) -> None:
    """An alert's `for` would be over before the next scrape."""
    plan = Plan(ROOT, tmp_path, DEFAULTS, speed=50)
    with pytest.raises(OpsError, match=r"divided by 50.*make up SPEED=20"):
        play(plan, SCENARIOS, lambda _: None, lambda _: None)


def played(met: Callable[[Oracle], bool | None]) -> Played:
    """Return a cascade with that verdict on each of its oracles."""
    scenario = choose(["cascade"])[0]
    oracles = [*scenario.during, *scenario.afterwards, *scenario.throughout]
    return Played(scenario, [(0.0, "it begins")], [Judgement(o, met(o), "7") for o in oracles])


def test_the_verdict_names_the_failed_oracle() -> None:
    """In one line: the scenario, the kind, the sentence that is not true, and the figure."""
    good = played(lambda _: True)
    bad = played(lambda oracle: oracle.says != "callers see no error")
    assert "2 of 2 scenarios" in verdict([good, good])
    assert "1 of 2 scenarios failed" in verdict([good, bad])
    assert "cascade: containment: not so: callers see no error (7)" in verdict([good, bad])
    rows = [row for row in table(bad).splitlines() if " NO " in row]
    assert [row.split() for row in rows] == [
        ["containment", "NO", "callers", "see", "no", "error", "7"]
    ]


def test_a_scenario_whose_oracle_fails_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And what comes after it is still played and shown."""
    monkeypatch.setattr(
        "stack.ops.chaos.cli.running_plan", lambda _: Plan(ROOT, tmp_path, DEFAULTS)
    )

    def play_both(_: Plan, __: object, ___: object, done: Callable[[Played], None]) -> None:
        done(played(lambda _: None))
        done(played(lambda oracle: oracle.kind != RECOVERY))

    monkeypatch.setattr("stack.ops.chaos.cli.play", play_both)
    ended = CliRunner().invoke(chaos, ["cascade", "cascade"])
    assert ended.exit_code == 1
    assert "1 of 2 scenarios failed: cascade: recovery: not so:" in " ".join(ended.output.split())


def test_transitions_between_two_looks_are_told_in_the_order_they_can_have_had() -> None:
    """Counters say how often, not when; a breaker can only go on from where it is."""
    counts = {
        f'{TRANSITIONS}{{component="llm",from_state="{a}",to_state="{b}"}}': n
        for (a, b), n in zip(WAYS, (1.0, 2.0, 1.0, 1.0), strict=True)
    }
    told: list[str] = []
    stage = staged(Told(after=counts))
    stage.transitions.clear()
    stage._states["llm"] = "closed"
    stage.progress = told.append
    assert stage.until(lambda: True, 0)
    ways = [each.way for each in stage.transitions]
    assert ways[0] == WAYS[0]
    assert all(before[1] == after[0] for before, after in pairwise(ways))
    assert len(ways) == len(told) == 5
    assert stage.state("llm") == "closed"


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([1, 2, 3, 4], 0.5, 2), ([1, 2, 3, 4], 0.95, 4), ([7], 0.5, 7), ([], 0.5, float("inf"))],
)
def test_a_quantile_is_a_value_that_was_seen(
    values: list[float], share: float, expected: float
) -> None:
    """The smallest that so many do not exceed; nothing at all is never quick."""
    assert quantile(values, share) == expected


def test_a_service_that_does_not_answer_for_a_moment_is_asked_again() -> None:
    """All of its threads may be held by what is being tried."""
    stage = staged(Told())
    read, asked = stage.sources.read, iter([True])

    def busy(service: str) -> Counts:
        if next(asked, False):
            raise OpsError("busy")
        return read(service)

    stage.sources = replace(stage.sources, read=busy)
    assert stage.until(lambda: True, 5)
