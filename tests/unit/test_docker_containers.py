"""A project's containers as the engine tells of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.docker import compose
from stack.ops.docker.containers import (
    Container,
    Usage,
    _bytes,
    containers,
    delete_volumes,
    healthy_services,
    usage,
)
from stack.ops.docker.engine import Engine
from stack.ops.ports import DEFAULTS


@dataclass(frozen=True)
class FakeEngine(Engine):
    """An engine that answers from tables."""

    bin_dir: Path = Path("/nowhere")
    described: list[dict[str, Any]] = field(default_factory=list)
    stats: list[dict[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, *arguments: str, **_: object) -> str:
        self.asked.append(arguments)
        if arguments[0] == "ps":
            return "".join(f"{each['Id']}\n" for each in self.described)
        if arguments[0] == "volume":
            return "\n".join(self.volumes)
        if arguments[0] == "stats":
            return "".join(f"{json.dumps(each)}\n" for each in self.stats)
        assert arguments[0] == "inspect"
        if self.failures:
            raise OpsError(self.failures.pop())
        return json.dumps(self.described)


def described(
    service: str,
    status: str = "running",
    *,
    code: int = 0,
    restart: str = "unless-stopped",
    health: str | None = "healthy",
    **labels: str,
) -> dict[str, Any]:
    """Return what `docker inspect` says of a container."""
    state: dict[str, Any] = {"Status": status, "Pid": 7, "ExitCode": code}
    if health:
        state["Health"] = {"Status": health}
    return {
        "Id": f"id-{service}",
        "Name": f"/stack-{service}-1",
        "RestartCount": 2,
        "State": state,
        "HostConfig": {"RestartPolicy": {"Name": restart}},
        "Config": {
            "Labels": {
                "com.docker.compose.service": service,
                "com.docker.compose.project.working_dir": "/checkout",
                **{f"com.docker.compose.{name}": value for name, value in labels.items()},
            }
        },
    }


def test_containers_come_in_the_order_of_their_names() -> None:
    """Only those of the project are asked for, also those that do not run."""
    engine = FakeEngine(described=[described("llm"), described("inbox", health=None)])
    assert containers(engine, "mine") == [
        Container("id-inbox", "stack-inbox-1", "inbox", "running", "", 7, 2, "/checkout"),
        Container("id-llm", "stack-llm-1", "llm", "running", "healthy", 7, 2, "/checkout"),
    ]
    first = engine.asked[0]
    assert "--filter=label=com.docker.compose.project=mine" in first
    assert "--all" in first


def test_nothing_is_asked_of_no_container() -> None:
    """`docker inspect` without names is an error."""
    engine = FakeEngine()
    assert containers(engine, "mine") == []
    assert usage(engine, []) == {}
    assert [each[0] for each in engine.asked] == ["ps"]


@pytest.mark.parametrize(
    ("container", "shown"),
    [
        (described("secrets", "exited", restart="no"), False),
        (described("secrets", "running", restart="no"), False),
        (described("secrets", "created", restart=""), False),
        (described("secrets", "exited", code=1, restart="no"), True),
        (described("llm", "exited"), True),
        (described("llm", "restarting", code=1), True),
        (described("llm", "running", oneoff="True"), False),
        (described("llm", "running", oneoff="False"), True),
    ],
    ids=[
        "done",
        "at work",
        "not begun",
        "failed",
        "stopped",
        "again and again",
        "run by hand",
        "service",
    ],
)
def test_what_does_its_work_and_ends_is_left_out(container: dict[str, Any], shown: bool) -> None:
    """Unless it failed; what should go on running is shown whatever its state."""
    assert bool(containers(FakeEngine(described=[container]), "mine")) == shown


@pytest.mark.parametrize(
    ("state", "health", "healthy"),
    [
        ("running", "healthy", True),
        ("running", "starting", False),
        ("running", None, False),
        ("exited", "healthy", False),
    ],
)
def test_only_what_runs_and_passes_its_check_is_healthy(
    state: str, health: str | None, healthy: bool
) -> None:
    """A container that has ended keeps its last health."""
    (found,) = containers(FakeEngine(described=[described("llm", state, health=health)]), "mine")
    assert found.healthy == healthy


def test_a_container_removed_between_two_questions_is_no_failure() -> None:
    """Both are asked anew; an engine that goes on failing is one."""
    gone = "no such container"
    engine = FakeEngine(described=[described("llm")], failures=[gone])
    assert len(containers(engine, "mine")) == 1
    assert [each[0] for each in engine.asked] == ["ps", "inspect", "ps", "inspect"]
    with pytest.raises(OpsError, match=gone):
        containers(FakeEngine(described=[described("llm")], failures=[gone] * 10), "mine")


def test_a_service_is_healthy_when_all_of_its_containers_are() -> None:
    """Several have one name; one of them that is not well is not made good by another."""

    def container(service: str, number: int, health: str) -> Container:
        name = f"stack-{service}-{number}"
        return Container(name, name, service, "running", health, 7, 0, "/checkout")

    found = [
        container("gateway", 1, "healthy"),
        container("gateway", 2, "unhealthy"),
        container("llm", 1, "healthy"),
        container("llm", 2, "healthy"),
    ]
    assert healthy_services(found) == {"llm"}
    assert healthy_services([]) == set()


def stats(service: str, memory: str, cpu: str) -> dict[str, str]:
    return {"ID": f"id-{service}", "MemUsage": f"{memory} / 256MiB", "CPUPerc": cpu}


def test_usage_is_measured_by_container() -> None:
    """Of those that run; what the engine adds is left out."""
    engine = FakeEngine(
        described=[described("llm"), described("inbox"), described("gateway", "exited")],
        stats=[stats("llm", "1.5MiB", "12.50%"), stats("other", "1MiB", "1%")],
    )
    found = usage(engine, containers(engine, "mine"))
    assert found == {"id-llm": Usage(1_572_864, 12.5)}
    assert {"id-llm", "id-inbox"} < set(engine.asked[-1])
    assert "id-gateway" not in engine.asked[-1]


def test_what_ends_while_it_is_measured_uses_nothing() -> None:
    """The engine then shows dashes."""
    engine = FakeEngine(described=[described("llm")], stats=[stats("llm", "--", "--")])
    assert usage(engine, containers(engine, "mine")) == {"id-llm": Usage(0, 0.0)}


@pytest.mark.parametrize(
    ("shown", "size"),
    [
        ("0B", 0),
        ("512B", 512),
        ("1kB", 1000),
        ("1.5KiB", 1536),
        ("10MB", 10_000_000),
        (" 84.2MiB ", 88_290_099),
        ("1.25GiB", 1_342_177_280),
        ("2GB", 2_000_000_000),
        ("--", 0),
        ("", 0),
        ("3 furlongs", 0),
    ],
)
def test_sizes_are_read_as_the_engine_shows_them(shown: str, size: int) -> None:
    """Binary and decimal units; nothing where it shows nothing."""
    assert _bytes(shown) == size


LISTED = ("volume", "ls", "--quiet", "--filter=label=com.docker.compose.project=mine")


@pytest.mark.parametrize("volumes", [[], ["mine_inbox-data", "mine_store-data"]])
def test_volumes_are_deleted_by_their_project(volumes: list[str]) -> None:
    """Whatever their names are; where there are none, nothing is."""
    engine = FakeEngine(volumes=volumes)
    delete_volumes(engine, "mine")
    deleted = [("volume", "rm", "--force", *volumes)] if volumes else []
    assert engine.asked == [LISTED, *deleted]


@pytest.mark.parametrize("volumes", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_down_deletes_volumes_of_pairs_whichever_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, volumes: bool, scale: bool
) -> None:
    """When told to, after Compose has removed the containers that had them."""
    engine = FakeEngine(volumes=["mine_store-data"])
    monkeypatch.setattr(compose, "find_engine", lambda _: engine)
    monkeypatch.setattr(compose.Compose, "program", ("compose",))
    monkeypatch.setattr(compose, "run", lambda command, **_: engine.asked.append(tuple(command)))
    plan = Plan(tmp_path, tmp_path / ".run", DEFAULTS, project="mine", scale=scale)
    compose.Compose(plan, print).down(volumes=volumes)
    first, *rest = engine.asked
    assert first[:2] == ("compose", "--project-name=mine")
    assert ("--volumes" in first) is volumes
    expected = [LISTED, ("volume", "rm", "--force", "mine_store-data")]
    assert rest == (expected if volumes else [])
