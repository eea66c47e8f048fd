"""Which image runs: the official one where it can be had, else one that was built here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops.docker import images
from stack.ops.docker.engine import Engine
from stack.ops.docker.images import ALERTMANAGER, GRAFANA, IMAGES, JAEGER, PROMETHEUS, PYTHON

OFFICIAL = {each.variable: f"official/{each.name}:1" for each in IMAGES}


@dataclass(frozen=True)
class FakeEngine(Engine):
    """An engine with some images, and a registry with others."""

    bin_dir: Path = Path("/nowhere")
    here: set[str] = field(default_factory=set)
    registry: frozenset[str] = frozenset()
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def has_image(self, name: str) -> bool:
        return name in self.here

    def run(self, *arguments: str, **_: object) -> str:
        self.asked.append(arguments)
        if arguments[:2] == ("image", "inspect"):
            return json.dumps([{"Size": 1000}])
        assert arguments[:2] == ("pull", "--quiet")
        if arguments[2] not in self.registry:
            raise OpsError("docker: no route to host")
        return ""


def choice(engine: FakeEngine, image: images.Image, official: str) -> images.Choice:
    """Return what runs for one image when all others are there."""
    here = FakeEngine(here={*engine.here, *OFFICIAL.values()}, registry=engine.registry)
    found = images.choose(here, {**OFFICIAL, image.variable: official}, lambda _: None)
    assert [each.image for each in found] == list(IMAGES)
    engine.asked.extend(here.asked)
    return next(each for each in found if each.image is image)


@pytest.mark.parametrize(
    ("here", "registry", "tag", "origin"),
    [
        ({"x/p:3", "stack-prometheus:local"}, {"x/p:3"}, "x/p:3", "pulled"),
        ({"x/p:3"}, set(), "x/p:3", "pulled"),
        ({"stack-prometheus:local"}, {"x/p:3"}, "stack-prometheus:local", "built"),
        (set(), {"x/p:3"}, "x/p:3", "pulled"),
        (set(), set(), "x/p:3", "missing"),
    ],
    ids=["official-and-built", "official", "built", "registry", "nowhere"],
)
def test_what_is_here_is_taken_and_the_official_one_first(
    here: set[str], registry: set[str], tag: str, origin: str
) -> None:
    """A registry is asked only for what is neither here nor built."""
    engine = FakeEngine(here=here, registry=frozenset(registry))
    found = choice(engine, PROMETHEUS, "x/p:3")
    assert (found.tag, found.origin, found.missing) == (tag, origin, origin == "missing")
    assert engine.asked == ([] if here else [("pull", "--quiet", "x/p:3")])


def test_a_built_one_can_be_named_by_its_variable() -> None:
    """It is then called built, and not pulled."""
    engine = FakeEngine(here={"stack-jaeger:local"})
    assert choice(engine, JAEGER, "stack-jaeger:local").origin == "built"


def test_what_cannot_be_built_is_pulled_or_missing() -> None:
    """There is no package of Grafana."""
    assert GRAFANA.built is None
    assert choice(FakeEngine(), GRAFANA, "x/g:13").missing
    pulling = FakeEngine(registry=frozenset({"x/g:13"}))
    assert choice(pulling, GRAFANA, "x/g:13").origin == "pulled"


def test_a_pull_is_told_before_it_begins() -> None:
    """It may take minutes; what is here needs no words."""
    told: list[str] = []
    engine = FakeEngine(here={*OFFICIAL.values()} - {"official/jaeger:1"})
    images.choose(engine, OFFICIAL, told.append)
    assert told == ["pulling official/jaeger:1 …"]


def test_each_image_has_a_name_and_a_variable_of_its_own() -> None:
    """Stages and variables are found by them."""
    assert len({each.name for each in IMAGES}) == len(IMAGES)
    assert len({each.variable for each in IMAGES}) == len(IMAGES)
    for each in IMAGES:
        assert each.variable == f"{each.name.upper()}_IMAGE"
        assert each.built in {f"stack-{each.name}:local", None}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are built, in order."""
    names: list[str] = []
    monkeypatch.setattr(images, "_python", lambda engine: names.append("python"))
    monkeypatch.setattr(images, "_tool", lambda image, *_: names.append(image.name))
    monkeypatch.setattr(images, "_buildx", lambda engine, progress, *_: names.append("services"))
    return names


def test_what_is_there_is_not_built_again(built: list[str]) -> None:
    """But for the services', which is of this checkout; what it is based on comes first."""
    told: list[str] = []
    engine = FakeEngine(here={"stack-prometheus:local", "stack-jaeger:local"})
    images.build(Path("/root"), Path("/run-dir"), engine, told.append, anew=False)
    assert built == ["python", "alertmanager", "services"]
    assert "stack-jaeger:local is there already" in told


def test_everything_can_be_built_anew(built: list[str]) -> None:
    """Python first, the services last."""
    engine = FakeEngine(here={str(each.built) for each in IMAGES})
    images.build(Path("/root"), Path("/run-dir"), engine, lambda _: None, anew=True)
    assert built == ["python", PROMETHEUS.name, ALERTMANAGER.name, JAEGER.name, "services"]


def test_pythons_image_names_the_program_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how it is had."""
    monkeypatch.setenv("PATH", "/nowhere")
    engine = FakeEngine()
    with pytest.raises(OpsError, match=r"mmdebstrap is needed .*apt-get install mmdebstrap"):
        images.build(Path("/root"), Path("/run-dir"), engine, lambda _: None, anew=False)
    assert engine.asked == []


def test_what_was_built_is_listed_with_its_size() -> None:
    """What is not there is left out."""
    engine = FakeEngine(here={str(PYTHON.built), images.SERVICES})
    assert list(images.listing(engine)) == [(PYTHON.built, 1000), (images.SERVICES, 1000)]
