"""Which image runs: the official one where it can be had, else one that was built here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops.docker import build, images
from stack.ops.docker.engine import Engine
from stack.ops.docker.images import ALERTMANAGER, GRAFANA, IMAGES, JAEGER, PROMETHEUS, PYTHON

PYTHON_BUILDER = build._Builder.python
OFFICIAL = {each.variable: f"official/{each.name}:1" for each in IMAGES}


@dataclass(frozen=True)
class FakeEngine(Engine):
    """An engine with some images, and a registry with others."""

    bin_dir: Path = Path("/nowhere")
    here: set[str] = field(default_factory=set)
    registry: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def image_id(self, name: str) -> str | None:
        """An image has its name for an id, unless it is the other name of another."""
        return self.aliases.get(name, name) if name in self.here else None

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
    assert [each.image for each in found] == list(IMAGES)[: len(found)]
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
    for each in ("python", "prometheus", "alertmanager", "jaeger"):
        monkeypatch.setattr(build._Builder, each, lambda _, name=each: names.append(name))
    monkeypatch.setattr(build, "build_services", lambda *_: names.append("services"))
    return names


def test_what_is_there_is_not_built_again(built: list[str], tmp_path: Path) -> None:
    """But for the services', which is of this checkout; what it is based on comes first."""
    told: list[str] = []
    engine = FakeEngine(here={"stack-python:local", "stack-jaeger:local"})
    build.build(Path("/root"), tmp_path, engine, told.append, anew=False)
    assert built == ["prometheus", "alertmanager", "services"]
    assert "stack-jaeger:local is there already" in told


def test_everything_can_be_built_anew(built: list[str], tmp_path: Path) -> None:
    """Python first, the services last."""
    engine = FakeEngine(here={str(each.built) for each in IMAGES})
    build.build(Path("/root"), tmp_path, engine, lambda _: None, anew=True)
    assert built == ["python", PROMETHEUS.name, ALERTMANAGER.name, JAEGER.name, "services"]


def test_what_cannot_be_built_keeps_nothing_else_from_it(
    built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is possible is built; the error names what is not, and how it would be."""
    monkeypatch.setattr(build._Builder, "python", PYTHON_BUILDER)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OpsError, match=r"stack-python:local: mmdebstrap .*apt-get install"):
        build.build(Path("/root"), tmp_path, FakeEngine(), lambda _: None, anew=False)
    assert built == ["prometheus", "alertmanager", "jaeger"]


def test_a_built_image_with_an_official_name_is_called_built() -> None:
    """What was pulled and what only bears the name are told apart."""
    engine = FakeEngine(
        here={*OFFICIAL.values(), "stack-jaeger:local"},
        aliases={OFFICIAL["JAEGER_IMAGE"]: "stack-jaeger:local"},
    )
    origins = {each.image: each.origin for each in images.choose(engine, OFFICIAL, lambda _: None)}
    assert origins == dict.fromkeys(IMAGES, "pulled") | {JAEGER: "built"}


def test_nothing_is_asked_for_after_the_first_that_is_missing() -> None:
    """A network that drops packets costs one wait; the reason is the registry's."""
    engine = FakeEngine()
    (only,) = images.choose(engine, OFFICIAL, lambda _: None)
    assert (only.image, only.reason) == (PYTHON, "docker: no route to host")


def test_no_registry_is_asked_for_grafana_where_all_else_was_built() -> None:
    """It would not answer; each start would wait for it."""
    engine = FakeEngine(here={str(each.built) for each in IMAGES if each.built})
    chosen = images.choose(engine, OFFICIAL, lambda _: None)
    assert chosen[-1] == images.Choice(
        GRAFANA, OFFICIAL["GRAFANA_IMAGE"], "missing", "no registry gave the others either"
    )
    assert engine.asked == []


def test_what_was_built_is_listed_with_its_size() -> None:
    """What is not there is left out."""
    engine = FakeEngine(here={str(PYTHON.built), images.SERVICES})
    assert list(build.listing(engine)) == [(PYTHON.built, 1000), (images.SERVICES, 1000)]
