"""`stack doctor` finds nothing in a healthy stack, and the cause of each real fault."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stack.ops.drill.levers import Levers
from tests.integration.conftest import until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)

Fault = Callable[["Pipeline", Levers], AbstractContextManager[Any]]
# Seconds that a run may take, whatever hangs.
BOUND = 15.0


def halted(component: str) -> Fault:
    """Keep a component from doing anything."""
    return lambda pipeline, levers: levers.halted(component)


@contextmanager
def failing_llm(pipeline: "Pipeline", levers: Levers) -> Iterator[None]:
    """Let calls to llm fail under load, so that the breaker around it opens."""
    with ExitStack() as during:
        during.enter_context(levers.load(5))
        during.enter_context(levers.fault("llm", kind="error", status=503, path="/v1"))
        yield


@contextmanager
def silenced_watchdog(pipeline: "Pipeline", levers: Levers) -> Iterator[None]:
    """Silence the alert that must never be silenced."""
    silence = pipeline.silence("Watchdog")
    try:
        yield
    finally:
        url = pipeline.url("ALERTMANAGER_PORT", f"/api/v2/silence/{silence}")
        pipeline.http.delete(url).raise_for_status()


def broken_configuration(pipeline: "Pipeline", levers: Levers) -> AbstractContextManager[None]:
    """Give Alertmanager a file that it cannot read."""
    return levers.changed(
        "alertmanager/alertmanager.yml", lambda text: f"{text}\nno_such_field: true\n"
    )


def failing_rule(pipeline: "Pipeline", levers: Levers) -> AbstractContextManager[None]:
    """Add a rule that cannot be evaluated."""
    return levers.rules("failing", {"record": "doctor:impossible", "expr": "up * on () up"})


def without_retrieval(pipeline: "Pipeline", levers: Levers) -> AbstractContextManager[None]:
    """Take a service out of the targets."""

    def take_out(text: str) -> str:
        port = f":{pipeline.ports['RETRIEVAL_PORT']}" if pipeline.mode == "local" else "retrieval:"
        (entry,) = [each for each in text.split("\n- ") if port in each]
        return text.replace(f"\n- {entry}", "")

    return levers.changed("prometheus/targets/services.yaml", take_out)


FAULTS: dict[str, tuple[Fault, dict[str, str]]] = {
    "llm halted": (
        halted("llm"),
        {"components": "llm is halted", "targets": "llm hangs"},
    ),
    "trace store halted": (
        halted("jaeger"),
        {"components": "jaeger is halted", "OTLP port": "none in 3 s", "spans": "gateway lost"},
    ),
    "llm fails": (
        failing_llm,
        {"breakers": "llm answers and has a fault switched on: error 503", "faults": "llm has"},
    ),
    "Watchdog silenced": (silenced_watchdog, {"silences": "holds back Watchdog"}),
    "broken configuration": (
        broken_configuration,
        {"configuration": "alertmanager could not read its configuration"},
    ),
    "rule fails": (failing_rule, {"rules": "rule doctor:impossible of failing"}),
    "not a target": (without_retrieval, {"target list": "retrieval is not scraped at all"}),
    "Prometheus halted": (halted("prometheus"), {"components": "prometheus is halted"}),
}


def doctor(pipeline: "Pipeline") -> tuple[int, dict[str, str], dict[str, str]]:
    """Return the exit status, and by check its problems and why it was not made."""
    ended = pipeline.stack("doctor", "--json")
    answer = json.loads(ended.stdout)
    assert answer["seconds"] < BOUND
    assert answer["ok"] == (ended.returncode == 0)
    problems = {
        each["name"]: "; ".join(problem["what"] for problem in each["problems"])
        for each in answer["checks"]
        if each["problems"]
    }
    assert all(problem["mend"] for each in answer["checks"] for problem in each["problems"]), answer
    unknown = {e["name"]: e["seen"] for e in answer["checks"] if e["verdict"] == "not checked"}
    return ended.returncode, problems, unknown


def well(pipeline: "Pipeline") -> None:
    """Wait until nothing is wrong, which is so soon after a fault."""
    last: dict[str, str] = {}

    def nothing() -> bool:
        nonlocal last
        status, last, _ = doctor(pipeline)
        return status == 0

    try:
        until(nothing, "doctor finds nothing", deadline=150, pause=2)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None


def test_a_healthy_stack_is_well(pipeline: "Pipeline") -> None:
    """Exit status 0; what can be checked is, and people read as much as scripts."""
    well(pipeline)
    _, _, unknown = doctor(pipeline)
    assert set(unknown) <= ({"ports"} if pipeline.mode == "compose" else set()), unknown
    text = pipeline.stack("doctor").stdout
    assert "no problem found (27 checks" in text
    assert re.search(r"(\d+) of \1 targets are up", text)


@pytest.mark.parametrize("name", FAULTS)
def test_the_cause_of_a_fault_is_named(pipeline: "Pipeline", levers: Levers, name: str) -> None:
    """By the checks that see it, with exit status 1; afterwards the stack is well again."""
    fault, expected = FAULTS[name]
    well(pipeline)
    last: dict[str, str] = {}

    def named() -> bool:
        nonlocal last
        status, last, _ = doctor(pipeline)
        return status == 1 and all(text in last.get(check, "") for check, text in expected.items())

    with fault(pipeline, levers):
        try:
            until(named, f"doctor names {expected}", deadline=90, pause=1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None
    well(pipeline)


@pytest.mark.parametrize("pipeline", ["local"], indirect=True)
@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["people", "scripts"])
def test_where_nothing_runs_that_is_said(
    pipeline: "Pipeline", arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """In one line, at once, for people and scripts."""
    ended = pipeline.stack("--run-dir", str(tmp_path), "doctor", *arguments)
    assert ended.returncode == 1
    assert ended.stderr == "stack: nothing runs to be examined; `make up` starts it\n"
