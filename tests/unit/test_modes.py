"""The way the stack runs: what runs already, what is wanted, else what is possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops import local, modes, run_folder
from stack.ops.components import Plan
from stack.ops.docker.containers import Container
from stack.ops.ports import DEFAULTS

LLM = Container("id", "stack-llm-1", "llm", "running", "healthy", 7, 0, "/checkout")


@dataclass
class Machine:
    """What is possible on this machine, what runs there, and what was done."""

    no_engine: str = ""
    no_plugin: str = ""
    no_images: str = ""
    another_checkout: str = ""
    containers: list[Container] = field(default_factory=list)
    supervised: bool = False
    done: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def compose(self, plan: Plan, progress: Callable[[str], None]) -> FakeCompose:
        if self.no_engine:
            raise OpsError(self.no_engine)
        return FakeCompose(self, plan)


class FakeCompose:
    """Takes the place of `Compose`."""

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self.machine = machine
        self.plan = plan

    @property
    def chosen(self) -> list[object]:
        for failure in (self.machine.no_plugin, self.machine.no_images):
            if failure:
                raise OpsError(failure)
        return []

    def containers(self) -> list[Container]:
        if self.machine.another_checkout:
            raise OpsError(f"the project is that of {self.machine.another_checkout}")
        return self.machine.containers

    def down(self, *, volumes: bool) -> None:
        self.machine.done.append("compose down" + (" with volumes" if volumes else ""))

    def logs(self, name: str | None, lines: int, follow: bool) -> list[str]:
        return [f"{name} {lines} {follow}"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with an engine and all images, on which nothing runs."""
    machine = Machine()

    class Supervisor:
        def __init__(self, run_dir: Path) -> None:
            """As the real one."""

        def running(self) -> bool:
            return machine.supervised

    def local_down(run_dir: Path) -> bool:
        machine.done.append("local down")
        return machine.supervised

    def local_up(plan: Plan, progress: Callable[[str], None]) -> bool:
        machine.done.append("local up")
        return not machine.supervised

    monkeypatch.setattr(modes, "Compose", machine.compose)
    monkeypatch.setattr(modes, "Supervisor", Supervisor)
    monkeypatch.setattr(local, "down", local_down)
    monkeypatch.setattr(local, "up", local_up)
    return machine


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(Path("/checkout"), tmp_path, DEFAULTS, load=2.0)


def decided(machine: Machine, plan: Plan, wanted: str = "auto") -> Plan:
    """Return the plan that is run, checked to be started by what its mode says."""
    runner = modes.decide(plan, wanted, machine.told.append)
    assert isinstance(runner, modes.Local) == (runner.plan.mode == "local")
    return runner.plan


def was_started(plan: Plan, mode: str) -> Plan:
    """Remember a plan as one that was started in that mode, with other ports."""
    started = replace(plan, mode=mode, ports={**DEFAULTS, "LLM_PORT": 1}, speed=7.0)
    run_folder.save(started)
    return started


@pytest.mark.parametrize("wanted", ["auto", "compose"])
def test_containers_are_preferred_where_they_are_possible(
    machine: Machine, plan: Plan, wanted: str
) -> None:
    """With all of the plan that was asked for."""
    assert decided(machine, plan, wanted) == replace(plan, mode="compose")
    assert machine.told == []


@pytest.mark.parametrize("what", ["no_engine", "no_plugin", "no_images"])
def test_auto_falls_back_to_processes_and_says_why(machine: Machine, plan: Plan, what: str) -> None:
    """In one line with the reason."""
    setattr(machine, what, "the reason")
    assert decided(machine, plan) == replace(plan, mode="local")
    assert machine.told == ["no containers: the reason"]


@pytest.mark.parametrize("what", ["no_engine", "no_plugin", "no_images"])
def test_compose_that_is_wanted_and_impossible_is_an_error(
    machine: Machine, plan: Plan, what: str
) -> None:
    """Nothing else is started in its place."""
    setattr(machine, what, "the reason")
    with pytest.raises(OpsError, match="the reason"):
        modes.decide(plan, "compose", machine.told.append)


def test_processes_that_are_wanted_ask_for_no_engine(machine: Machine, plan: Plan) -> None:
    """Nor does their start; what they are started with is the plan."""
    machine.no_engine = "no engine"
    runner = modes.decide(plan, "local", machine.told.append)
    assert runner.plan == replace(plan, mode="local")
    assert runner.up()
    assert (machine.done, machine.told) == (["local up"], [])


@pytest.mark.parametrize("mode", ["local", "compose"])
@pytest.mark.parametrize("wanted", ["auto", "same"])
def test_what_runs_goes_on_with_its_own_plan(
    machine: Machine, plan: Plan, mode: str, wanted: str
) -> None:
    """Whatever ports and speed the environment says now, and whatever images are to be had."""
    started = was_started(plan, mode)
    machine.supervised = mode == "local"
    machine.containers = [LLM] if mode == "compose" else []
    machine.no_images = "none"
    assert decided(machine, plan, mode if wanted == "same" else wanted) == started
    assert machine.told == []


def test_what_was_added_to_running_containers_gets_its_port(machine: Machine, plan: Plan) -> None:
    """They can be joined by another; those that run keep the ports that they have."""
    started = was_started(plan, "compose")
    machine.containers = [LLM]
    now = replace(plan, ports={**DEFAULTS, "ORDERS_PORT": 8010})
    assert decided(machine, now).ports == {**started.ports, "ORDERS_PORT": 8010}


@pytest.mark.parametrize(("mode", "wanted"), [("local", "compose"), ("compose", "local")])
def test_another_mode_than_what_runs_is_an_error(
    machine: Machine, plan: Plan, mode: str, wanted: str
) -> None:
    """Two at once would want the same ports; the message has the mend."""
    was_started(plan, mode)
    machine.supervised = mode == "local"
    machine.containers = [LLM]
    with pytest.raises(OpsError, match=f"runs in {mode} mode already; `make down` stops it"):
        modes.decide(plan, wanted, machine.told.append)


@pytest.mark.parametrize("mode", ["local", "compose"])
def test_what_was_started_and_runs_no_more_decides_nothing(
    machine: Machine, plan: Plan, mode: str
) -> None:
    """The next start has the plan of now, in any mode."""
    was_started(plan, mode)
    assert modes.running_plan(plan) is None
    assert decided(machine, plan) == replace(plan, mode="compose")
    assert decided(machine, plan, "local") == replace(plan, mode="local")


@pytest.mark.parametrize("wanted", ["auto", "local"])
def test_containers_of_an_engine_that_is_gone_do_not_run(
    machine: Machine, plan: Plan, wanted: str
) -> None:
    """Who has stopped the engine can still run processes."""
    was_started(plan, "compose")
    machine.no_engine = "no Docker engine answers"
    assert decided(machine, plan, wanted) == replace(plan, mode="local")


def test_containers_that_cannot_be_steered_get_no_rivals(machine: Machine, plan: Plan) -> None:
    """Where they run and Compose is lost, no processes are started beside them."""
    started = was_started(plan, "compose")
    machine.containers = [LLM]
    machine.no_plugin = "no `docker compose`"
    assert decided(machine, plan) == started


def test_containers_that_make_did_not_start_are_found(machine: Machine, plan: Plan) -> None:
    """`docker compose up` is a start like any other."""
    machine.containers = [LLM]
    assert modes.running_plan(plan) == replace(plan, mode="compose")
    assert modes.down(plan)
    assert machine.done == ["local down", "compose down"]


def test_containers_of_another_checkout_are_left_alone(machine: Machine, plan: Plan) -> None:
    """They are neither shown nor stopped, also where what is stored is to be deleted."""
    machine.another_checkout = "/other"
    assert modes.running_plan(plan) is None
    assert not modes.down(plan, volumes=True)
    assert machine.done == ["local down"]


@pytest.mark.parametrize(
    ("containers", "volumes", "done"),
    [
        ([LLM], False, ["local down", "compose down"]),
        ([LLM], True, ["local down", "compose down with volumes"]),
        ([], False, ["local down"]),
        ([], True, ["local down", "compose down with volumes"]),
    ],
    ids=["runs", "runs, volumes", "nothing", "nothing, volumes"],
)
def test_containers_are_stopped_as_they_were_started(
    machine: Machine,
    plan: Plan,
    containers: list[Container],
    volumes: bool,
    done: list[str],
) -> None:
    """What is stored is deleted when told, also when nothing runs."""
    was_started(plan, "compose")
    machine.containers = containers
    assert modes.down(plan, volumes=volumes) == bool(containers)
    assert machine.done == done


@pytest.mark.parametrize("volumes", [False, True])
def test_processes_are_stopped_and_their_data_stays_unless_told(
    machine: Machine, plan: Plan, volumes: bool
) -> None:
    """No engine is asked."""
    machine.no_engine = "no engine"
    was_started(plan, "local")
    (plan.data / "inbox").mkdir(parents=True)
    machine.supervised = True
    assert modes.down(plan, volumes=volumes)
    assert machine.done == ["local down"]
    assert plan.data.exists() == (not volumes)


def test_nothing_is_stopped_in_a_new_folder(machine: Machine, plan: Plan) -> None:
    """Which is no error."""
    assert not modes.down(plan)


def test_logs_are_those_of_the_mode(machine: Machine, plan: Plan) -> None:
    """Of containers by Compose, of processes from their files."""
    was_started(plan, "compose")
    machine.containers = [LLM]
    assert list(modes.logs(plan, "llm", 3, follow=False)) == ["llm 3 False"]
    was_started(plan, "local")
    machine.containers = []
    (plan.run_dir / "logs").mkdir()
    (plan.run_dir / "logs" / "llm.log").write_text("1\n2\n")
    assert list(modes.logs(plan, "llm", 1, follow=False)) == ["2"]
