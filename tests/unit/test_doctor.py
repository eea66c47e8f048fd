"""`stack doctor`: each problem is named with its cause and mend, and nothing else is."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from stack.ops import modes
from stack.ops.cli import main
from stack.ops.docker.containers import Container
from stack.ops.doctor import alerts, cli, machine, mends, metrics, run, running
from stack.ops.doctor.finding import NOT_CHECKED, OK, PROBLEM, Finding, Problem, Report
from stack.ops.doctor.run import CHECKS, Check, examine
from stack.ops.doctor.sources import Sources
from stack.ops.ports import DEFAULTS
from stack.ops.scale.ports import SCALED
from stack.ops.supervisor import ProcessState
from tests.unit import doctor_faults as faults
from tests.unit.doctor_stack import FakeStack, moment, target

GATEWAY_LLM = {"service": "gateway", "component": "llm"}
LINE = json.dumps({"event_type": "http_request", "trace_id": "0af7"})


class FakeSupervisor:
    """Takes the place of `Supervisor`: everything runs."""

    states: tuple[ProcessState, ...] = ()

    def __init__(self, run_dir: Path) -> None:
        pass

    def processes(self) -> list[ProcessState]:
        return list(self.states)

    def marked(self) -> list[object]:
        return []


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The services' log lines; the same for those that are not named."""
    lines: dict[str, list[str]] = {}
    monkeypatch.setattr(
        modes, "logs", lambda plan, name, count, follow: iter(lines.get(name, [LINE] * 5))
    )
    return lines


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: dict[str, list[str]]) -> FakeStack:
    """A healthy stack."""
    monkeypatch.setattr(running, "Supervisor", FakeSupervisor)
    monkeypatch.setattr(machine, "Supervisor", FakeSupervisor)
    monkeypatch.setattr(machine, "is_free", lambda port: True)
    monkeypatch.setattr(FakeSupervisor, "states", ())
    return FakeStack(tmp_path / "run")


def problems(stack: FakeStack, *expected: str) -> list[Problem]:
    """Return the problems; there have to be some in these checks, and in no other."""
    findings = examine(stack.sources())
    found = {each.name: each for each in findings if each.problems}
    assert set(found) == set(expected), found
    assert all(each.verdict == PROBLEM for each in found.values())
    return [problem for each in found.values() for problem in each.problems]


def finding(stack: FakeStack, name: str) -> Finding:
    """Return what one check says."""
    return next(each for each in examine(stack.sources()) if each.name == name)


def test_a_healthy_stack_has_no_problem(stack: FakeStack) -> None:
    """Every check is made and is well, with figures."""
    findings = examine(stack.sources())
    assert [each.name for each in findings] == list(CHECKS)
    assert {each.verdict for each in findings} == {OK}, findings
    assert all(each.seen for each in findings)


@pytest.mark.parametrize(
    ("error", "cause", "mend"),
    [
        ("connection refused", "llm is down: nothing listens", "make logs SERVICE=llm"),
        ("context deadline exceeded", "llm hangs", "make logs SERVICE=llm"),
        ('Get "http://127.0.0.1:40311/metrics": timeout', "llm hangs", "make logs SERVICE=llm"),
        ("server returned HTTP status 401 Unauthorized", "refuses Prometheus' token", "make down"),
        ("sample limit exceeded", "more samples than prometheus.yml allows", "topk"),
        ("label_limit exceeded", "more or longer labels", "topk"),
        ("something else", "cannot be scraped", "make logs SERVICE=llm"),
    ],
)
def test_why_a_target_is_down(stack: FakeStack, error: str, cause: str, mend: str) -> None:
    """What Prometheus says of the scrape tells the cause."""
    names = ("gateway", "retrieval", "inbox", "prometheus", "alertmanager", "jaeger")
    active = [target("llm", error), *map(target, names)]
    stack.reply("PROMETHEUS_PORT", "/api/v1/targets", {"data": {"activeTargets": active}})
    (problem,) = problems(stack, "targets")
    assert cause in problem.what
    assert error in problem.what
    assert mend in problem.mend


@pytest.mark.parametrize(
    ("status", "whose"),
    [(200, "so Prometheus has another"), (401, "so it was started with another")],
)
def test_whose_token_is_wrong(stack: FakeStack, status: int, whose: str) -> None:
    """The service is asked with the token of the file."""
    names = ("gateway", "retrieval", "inbox", "prometheus", "alertmanager", "jaeger")
    active = [target("llm", "HTTP status 401"), *map(target, names)]
    stack.reply("PROMETHEUS_PORT", "/api/v1/targets", {"data": {"activeTargets": active}})
    stack.reply("LLM_PORT", "/metrics", "", status)
    (problem,) = problems(stack, "targets")
    assert whose in problem.what


def test_a_target_that_is_gone_and_one_never_scraped(stack: FakeStack) -> None:
    """Each is named by the check that sees it."""
    names = ("gateway", "inbox", "prometheus", "alertmanager", "jaeger")
    active = [target("llm", health="unknown"), *map(target, names)]
    stack.reply("PROMETHEUS_PORT", "/api/v1/targets", {"data": {"activeTargets": active}})
    never, gone = problems(stack, "targets", "target list")
    assert never.what == "llm was never scraped"
    assert "retrieval is not scraped at all" in gone.what


@pytest.mark.parametrize(
    ("change", "check", "cause", "mend"),
    [
        (faults.resets, "workers", "counters of llm fell 7 times", "make logs SERVICE=llm"),
        (faults.refused, "scrape limits", "refused 12 scrapes", "scrape_samples_scraped"),
        (
            faults.series,
            "series",
            "llm exposes 25000 samples, the budget is 5000",
            '{service="llm"}',
        ),
        (faults.memory, "resident memory", "llm holds 400 MB, 4.0 times", 'service="llm"'),
        (faults.lost, "spans", "llm lost 98 of 100 spans", "make logs SERVICE=jaeger"),
        (faults.full_queue, "spans", "the queue was full", "make logs SERVICE=llm"),
        (faults.otlp, "OTLP port", "nothing listens", "make logs SERVICE=jaeger"),
        (faults.otlp_refuses, "OTLP port", "503: no space left", "make logs SERVICE=jaeger"),
        (faults.elsewhere, "trace store", "(OTEL_EXPORTER_OTLP_ENDPOINT)", "SERVICE=retrieval"),
        (faults.fault, "faults", "llm has faults switched on: error 503 on /v1, 100%", "-X DELETE"),
        (faults.trace_gone, "exemplars' traces", "which is not there (404)", "/api/traces/"),
        (
            faults.failing_rule,
            "rules",
            "HighLatency of requests (requests.rules.yml) fails: many",
            "prometheus",
        ),
        (faults.no_rules, "rules", "no alert at all", "make logs SERVICE=prometheus"),
        (
            faults.configuration,
            "configuration",
            "alertmanager could not read",
            "SERVICE=alertmanager",
        ),
        (faults.no_alertmanager, "to Alertmanager", "knows no Alertmanager", "SERVICE=prometheus"),
        (
            faults.not_handed_over,
            "to Alertmanager",
            "could not hand over 4",
            "SERVICE=alertmanager",
        ),
        (faults.notifications, "notifications", "2 of 3 notifications by webhook", "alertmanager"),
        (faults.watchdog, "Watchdog", "arrived 900 s ago", "make logs SERVICE=alertmanager"),
        (faults.watchdog_never, "Watchdog", "never had a Watchdog", "SERVICE=alertmanager"),
        (faults.silence, "silences", "silence of ann", "-X DELETE"),
        (faults.readable_secret, "secrets", "can be read by others (mode 644)", "chmod 600"),
        (faults.open_folder, "secrets", "can be entered by others (mode 755)", "chmod 700"),
        (faults.old_prometheus, "versions", "prometheus is 2.53.0, at least 3.5", "rm -rf"),
        (faults.mixed_versions, "versions", "gateway 1.1, llm 1.0", "make down && make up"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_problem_is_named_with_its_mend(
    stack: FakeStack, change: Callable[[FakeStack], None], check: str, cause: str, mend: str
) -> None:
    """By one check, with figures; all others are well."""
    change(stack)
    (problem,) = problems(stack, check)
    assert cause in problem.what
    assert mend in problem.mend


def test_a_process_that_has_just_started_may_grow(stack: FakeStack) -> None:
    """Its workers come one after the other."""
    faults.memory(stack)
    stack.has("process_start_time_seconds", ({"service": "llm"}, 30.0))
    assert finding(stack, "resident memory").verdict == OK


def test_a_service_that_makes_no_span_is_named(stack: FakeStack) -> None:
    """It was asked often enough for spans to be expected."""
    faults.no_spans(stack)
    (problem,) = problems(stack, "sampling")
    assert "llm answered 5 requests in 300s and made no span" in problem.what
    assert "OTEL_TRACES_SAMPLER" in problem.what


def test_sampling_is_told_and_is_no_problem(stack: FakeStack) -> None:
    """Fewer spans than requests are what somebody has set."""
    stack.has(r"increase.telemetry_spans_total.\d+s...$", ({"service": "llm"}, 1.0))
    found = finding(stack, "sampling")
    assert found.verdict == OK
    assert "llm is sampled" in found.seen


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (faults.no_exemplar, "no span is sampled"),
        (faults.no_exemplar_storage, "Prometheus runs without exemplar-storage"),
    ],
)
def test_why_there_are_no_exemplars(
    stack: FakeStack, change: Callable[[FakeStack], None], cause: str
) -> None:
    """Prometheus' flags tell one cause from the other."""
    change(stack)
    (problem,) = problems(stack, "exemplars")
    assert cause in problem.what


def test_a_service_without_exemplars_is_named(stack: FakeStack) -> None:
    """The others have some."""
    faults.some_exemplars(stack)
    assert [each.what.split()[0] for each in problems(stack, "exemplars")] == ["inbox", "retrieval"]


def open_breaker(stack: FakeStack) -> None:
    """Let the gateway's breaker around llm be open."""
    stack.has(r'^min by .*circuit_breaker_state\{state="closed"', (GATEWAY_LLM, 0.0))
    stack.has(r'to_state="half_open"', ({}, 3.0))
    stack.has(r'outcome="rejected"', ({}, 40.0))
    stack.has("http_client_request", ({"http_response_status_code": "503"}, 5.0))


def test_an_open_breaker_is_named_with_its_cause(stack: FakeStack) -> None:
    """For how long, what probes and calls met, and the fault at the called service."""
    open_breaker(stack)
    faults.fault(stack)
    problem, _ = problems(stack, "breakers", "faults")
    assert "gateway around llm is open, for about 20 s" in problem.what
    assert "3 probes went out and 40 calls were refused" in problem.what
    assert "5 × 503" in problem.what
    assert "llm answers and has a fault switched on: error 503 on /v1" in problem.what
    assert "8002/faults" in problem.mend


def test_the_peer_of_an_open_breaker_may_be_down_or_not_ready_or_well(stack: FakeStack) -> None:
    """Each has a mend of its own."""
    open_breaker(stack)
    (well,) = problems(stack, "breakers")
    assert "the next probe closes the breaker" in well.what
    stack.reply("LLM_PORT", "/readyz", "database locked", 503)
    problem = finding(stack, "breakers").problems[0]
    assert "llm is not ready: database locked" in problem.what
    stack.silent.add("LLM_PORT")
    problem = finding(stack, "breakers").problems[0]
    assert "llm does not answer" in problem.what
    assert problem.mend == "make logs SERVICE=llm"


def test_a_breaker_around_what_is_no_component(stack: FakeStack) -> None:
    """Nobody here can be asked how it is."""
    stack.has(
        r'^min by .*circuit_breaker_state\{state="closed"',
        ({"service": "orders", "component": "payments"}, 0.0),
    )
    (problem,) = problems(stack, "breakers")
    assert "payments is no component of the stack" in problem.what


def test_lines_that_are_no_json(stack: FakeStack, logs: dict[str, list[str]]) -> None:
    """The first is shown."""
    logs["llm"] = [LINE, "Traceback (most recent call last):", "[1]"]
    (problem,) = problems(stack, "log lines")
    assert "2 of the newest 3 lines of llm are no JSON, such as 'Traceback" in problem.what


def test_requests_without_a_trace(stack: FakeStack, logs: dict[str, list[str]]) -> None:
    """They are counted among the logged requests only."""
    logs["llm"] = [json.dumps({"event_type": "http_request"})] * 3 + [LINE, "{}"]
    (problem,) = problems(stack, "log lines")
    assert "3 of 4 logged requests of llm have no trace_id" in problem.what


def test_a_clock_that_is_wrong(stack: FakeStack) -> None:
    """Each component is named."""
    faults.clock(stack)
    found = problems(stack, "clocks")
    assert len(found) == 5
    assert "-90 s" in found[0].what or "-89 s" in found[0].what


def test_a_disk_that_is_nearly_full(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small part of a large disk is room enough."""
    usage = SimpleNamespace(total=100e9, free=0.4e9)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    found = problems(stack, "disks")
    assert "0.4 of 100.0 GB free" in found[0].what
    usage.total, usage.free = 2000e9, 40e9
    assert finding(stack, "disks").verdict == OK


def test_a_port_that_another_has(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variable and its owner are named."""
    monkeypatch.setattr(machine, "is_free", lambda port: port != 8002)
    (problem,) = problems(stack, "ports")
    assert "port 8002 (LLM_PORT) is taken by" in problem.what
    assert problem.mend.startswith("make down && LLM_PORT=18")


def test_pairs_are_started_again_as_pairs(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is mended by a start."""
    plan = replace(stack.plan, scale=True, ports={**stack.plan.ports, **SCALED})
    assert mends.anew(plan) == "make down && make up SCALE=1"
    assert mends.restart(plan, "llm-1") == "make down && make up SCALE=1"
    assert mends.anew(replace(plan, shards=2)) == "make down && make up SCALE=1 SHARDS=2"
    monkeypatch.setattr(machine, "is_free", lambda port: port != SCALED["QUERY_PORT"])
    (problem,) = machine.ports(Sources(plan)).problems
    assert re.fullmatch(r"make down && QUERY_PORT=18\d+ make up SCALE=1", problem.mend)


def test_a_secret_that_is_not_there_or_empty(stack: FakeStack) -> None:
    """Each is made anew by the next start."""
    (stack.plan.secrets / "metrics_token").unlink()
    (stack.plan.secrets / "faults_token").write_text("")
    gone, empty = problems(stack, "secrets")
    assert "is not there" in gone.what
    assert "is empty" in empty.what


@pytest.mark.parametrize(
    ("state", "said", "mend"),
    [
        (ProcessState("llm", "FATAL", 0), "llm does not run (fatal)", "make logs SERVICE=llm"),
        (ProcessState("llm", "STOPPED", 0), "llm does not run (stopped)", "make down && make up"),
        (ProcessState("llm", "RUNNING", 2**22 + 1), "llm runs and is not ready", "kill -KILL -- -"),
    ],
    ids=["fatal", "stopped", "hangs"],
)
def test_a_component_that_does_not_answer(
    stack: FakeStack,
    monkeypatch: pytest.MonkeyPatch,
    state: ProcessState,
    said: str,
    mend: str,
) -> None:
    """What the supervisor says of it, and what helps."""
    stack.silent.add("LLM_PORT")
    monkeypatch.setattr(FakeSupervisor, "states", (state,))
    (problem,) = problems(stack, "components")
    assert said in problem.what
    assert mend in problem.mend


def test_a_component_that_is_halted(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes are found stopped by a signal, and are told to go on."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            process.send_signal(signal.SIGSTOP)
            monkeypatch.setattr(
                FakeSupervisor, "states", (ProcessState("llm", "RUNNING", process.pid),)
            )
            stack.silent.add("LLM_PORT")
            until_stopped(process.pid)
            (problem,) = problems(stack, "components")
        finally:
            process.kill()
    assert "llm is halted: 1 of its processes" in problem.what
    assert problem.mend == f"kill -CONT {process.pid}"


def until_stopped(pid: int) -> None:
    """Wait until the kernel has stopped a process."""
    ends = time.monotonic() + 5
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_component_that_says_it_is_not_ready(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why; a restart would not give it what it lacks."""
    monkeypatch.setattr(FakeSupervisor, "states", (ProcessState("llm", "RUNNING", 2**22 + 1),))
    stack.reply("LLM_PORT", "/readyz", '{"checks": {"database": "locked"}}', 503)
    (problem,) = problems(stack, "components")
    assert "locked" in problem.what
    assert problem.mend == "make logs SERVICE=llm"


class FakeCompose:
    """Takes the place of `Compose`: of four containers one is well."""

    services = frozenset({"gateway", "llm", "inbox", "retrieval", "jaeger"})

    def __init__(self, plan: object, progress: object) -> None:
        pass

    def containers(self) -> list[Container]:
        def one(service: str, state: str, health: str) -> Container:
            return Container("id", f"stack-{service}-1", service, state, health, 7, 2, "")

        return [
            one("gateway", "running", "healthy"),
            one("llm", "paused", "healthy"),
            one("inbox", "restarting", "unhealthy"),
            one("retrieval", "exited", ""),
        ]


@pytest.mark.parametrize(("scale", "up"), [(False, "make up"), (True, "make up SCALE=1")])
def test_containers_that_are_not_well(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch, scale: bool, up: str
) -> None:
    """Paused, restarting, ended or not there: each is named, with its own mend."""
    further = SCALED if scale else {}
    ports = {**stack.plan.ports, **further}
    stack.plan = replace(stack.plan, mode="compose", scale=scale, ports=ports)
    monkeypatch.setattr(running, "Compose", FakeCompose)
    found = finding(stack, "components")
    assert found.seen == "1 of 5 containers are healthy"
    assert {each.what: each.mend for each in found.problems} == {
        "jaeger has no container": up,
        "llm is halted: its container is paused": "docker unpause stack-llm-1",
        "inbox is restarting, unhealthy, started again 2 times": "make logs SERVICE=inbox",
        "retrieval is exited, not healthy, started again 2 times": up,
    }
    assert finding(stack, "ports").verdict == NOT_CHECKED


def test_alertmanager_may_fail_for_a_while_after_its_start(stack: FakeStack) -> None:
    """Its receivers may start after it."""
    faults.notifications(stack)
    stack.has("process_start_time_seconds", ({}, 20.0))
    found = finding(stack, "notifications")
    assert found.verdict == NOT_CHECKED
    assert found.seen.startswith("2 of 3 notifications by webhook failed in 60s, but Alertmanager")


def test_without_prometheus_what_it_knows_is_not_checked(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that it does not answer is a problem; why the rest is unknown is said."""
    stack.silent.add("PROMETHEUS_PORT")
    (problem,) = problems(stack, "components")
    assert problem.what.startswith("prometheus")
    unknown = [each for each in examine(stack.sources()) if each.verdict == NOT_CHECKED]
    assert len(unknown) > 12
    assert {each.seen.partition(" at ")[0] for each in unknown} == {"Prometheus does not answer"}


def test_with_shards_thanos_is_asked_for_what_no_prometheus_knows_alone(stack: FakeStack) -> None:
    """One shard's Prometheus has half of the targets, no rule and no Alertmanager."""
    stack.plan = replace(stack.plan, scale=True, shards=2, ports={**DEFAULTS, **SCALED})
    half: list[tuple[str, dict[str, Any]]] = [
        ("targets", {"activeTargets": [target("llm")]}),
        ("rules", {"groups": []}),
        ("alertmanagers", {"activeAlertmanagers": []}),
    ]
    for path, data in half:
        stack.reply("PROMETHEUS_PORT", f"/api/v1/{path}", {"data": data})
    stack.has("count by .alertmanager. .thanos_alert_sender", ({"alertmanager": "am:1"}, 1.0))
    checks = (metrics.targets, metrics.listed_targets, alerts.rules, alerts.to_alertmanager)
    reports = [check(stack.sources()) for check in checks]
    assert [problem for each in reports for problem in each.problems] == []
    assert reports[-1].seen.startswith("am:1; ")
    stack.has("thanos_alert_sender_alerts_dropped_total", ({}, 3.0))
    (problem,) = alerts.to_alertmanager(stack.sources()).problems
    assert problem.what.startswith("Thanos Ruler could not hand over 0 alerts and dropped 3")


def test_a_young_stack_has_no_watchdog_yet(stack: FakeStack) -> None:
    """It is not called silent before its time."""
    faults.watchdog_never(stack)
    info = {"data": {"startTime": moment(20), "lastConfigTime": moment(20)}}
    stack.reply("PROMETHEUS_PORT", "/api/v1/status/runtimeinfo", info)
    found = finding(stack, "Watchdog")
    assert found.verdict == NOT_CHECKED
    assert re.search(r"Prometheus runs for 2\d s only", found.seen)


def test_an_answer_of_another_form_ends_one_check_only(stack: FakeStack) -> None:
    """The others are made all the same."""
    stack.reply("PROMETHEUS_PORT", "/api/v1/rules", {"data": {"groups": [{}]}})
    findings = examine(stack.sources())
    assert [each.name for each in findings if each.verdict != OK] == ["rules"]


def test_a_check_that_hangs_is_given_up(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest has its answers in time."""

    def late(sources: Sources) -> Report:
        time.sleep(3)
        return Report("late")

    slow = Check("memory", late)
    quick = Check("memory", lambda sources: Report("there"))
    monkeypatch.setattr(run, "CHECKS", {"slow": slow, "quick": quick})
    began = time.monotonic()
    first, second = examine(stack.sources(), deadline=0.3)
    assert time.monotonic() - began < 2
    assert (first.verdict, first.seen) == (NOT_CHECKED, "not done after 0.3 s")
    assert second.verdict == OK


def invoke(stack: FakeStack, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """Run the command on the fake stack."""
    monkeypatch.setattr(cli, "running_plan", lambda _: stack.plan)
    monkeypatch.setattr(cli, "Sources", lambda _: stack.sources())
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_the_command_exits_with_0_only_if_nothing_is_wrong(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person reads the cause and the mend."""
    ended = invoke(stack, monkeypatch)
    assert ended.exit_code == 0, ended.output
    assert "no problem found (27 checks in" in ended.output
    faults.lost(stack)
    ended = invoke(stack, monkeypatch)
    assert ended.exit_code == 1
    assert "llm lost 98 of 100 spans" in ended.output
    assert "mend: make logs SERVICE=jaeger" in ended.output
    assert "1 problem (27 checks" in ended.output


def test_a_script_reads_every_check(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, verdict, what was seen, and the mends."""
    faults.lost(stack)
    ended = invoke(stack, monkeypatch, "--json")
    answer = json.loads(ended.stdout)
    assert not answer["ok"]
    checks = {each["name"]: each for each in answer["checks"]}
    assert set(checks) == set(CHECKS)
    assert checks["spans"]["verdict"] == PROBLEM
    assert checks["spans"]["problems"][0]["mend"] == "make logs SERVICE=jaeger"


def test_where_nothing_runs_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with what starts it."""
    monkeypatch.setattr(cli, "running_plan", lambda _: None)
    ended = CliRunner().invoke(main, ["doctor"])
    assert ended.exit_code == 1
    assert ended.stderr == "stack: nothing runs to be examined; `make up` starts it\n"
