"""Which image each container runs: the official one where it can be had, else one built here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stack.errors import OpsError
from stack.ops.commands import Progress
from stack.ops.docker.engine import Engine

SERVICES = "stack-services:0.1.0"
PULL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Image:
    """One image that the project does not make itself.

    Args:
        name: the component; also the name of its stage in `images/Dockerfile`.
        variable: which one compose.yaml runs is set by it.
        built: what `make images` calls its own; None where none can be built.
        service: one that runs it in Compose's files; the component if nothing is said.
    """

    name: str
    variable: str
    built: str | None
    service: str = ""


PYTHON = Image("python", "PYTHON_IMAGE", "stack-python:local")
PROMETHEUS = Image("prometheus", "PROMETHEUS_IMAGE", "stack-prometheus:local")
ALERTMANAGER = Image("alertmanager", "ALERTMANAGER_IMAGE", "stack-alertmanager:local")
JAEGER = Image("jaeger", "JAEGER_IMAGE", "stack-jaeger:local")
GRAFANA = Image("grafana", "GRAFANA_IMAGE", None)
THANOS = Image("thanos", "THANOS_IMAGE", "stack-thanos:local", service="query")
BALANCER = Image("balancer", "BALANCER_IMAGE", "stack-balancer:local")
CASSANDRA = Image("cassandra", "CASSANDRA_IMAGE", "stack-cassandra:local")
VERSITYGW = Image("versitygw", "VERSITYGW_IMAGE", "stack-versitygw:local", service="bucket")
# To add one, add a line above and name it here; the last may be missing.
IMAGES = (PYTHON, PROMETHEUS, ALERTMANAGER, JAEGER, GRAFANA)
_SCALED = (THANOS, VERSITYGW, CASSANDRA, BALANCER)
SCALED_IMAGES = (PYTHON, PROMETHEUS, ALERTMANAGER, JAEGER, *_SCALED, GRAFANA)


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs for an image.

    Args:
        image: which one.
        tag: its name in the engine.
        origin: where it is from; `missing` when it cannot be had.
        reason: why it is missing.
    """

    image: Image
    tag: str
    origin: Literal["pulled", "built", "missing"]
    reason: str = ""

    @property
    def missing(self) -> bool:
        """Tell whether it cannot be had."""
        return self.origin == "missing"


def choose(
    engine: Engine,
    official: Mapping[str, str],
    progress: Progress,
    wanted: Sequence[Image] = IMAGES,
) -> list[Choice]:
    """Decide which images run; what is here is taken, and what is not is pulled.

    It ends at the first one that is needed and cannot be had. Where all others were built here,
    which is done for want of a registry, Grafana's is not asked for.

    Args:
        engine: where they are looked for.
        official: the name in compose.yaml of each image, by variable.
        progress: told in one line what happens.
        wanted: those that run.

    Raises:
        OpsError: the engine does not answer.
    """
    chosen: list[Choice] = []
    for image in wanted:
        name = official[image.variable]
        closed = image.built is None and all(each.origin == "built" for each in chosen)
        choice = _here(engine, image, name)
        if choice is None and closed:
            choice = Choice(image, name, "missing", "no registry gave the others either")
        chosen.append(choice or _pulled(engine, image, name, progress))
        if chosen[-1].missing:
            break
    return chosen


def _here(engine: Engine, image: Image, official: str) -> Choice | None:
    own = engine.image_id(image.built) if image.built else None
    found = engine.image_id(official)
    if found is not None:
        return Choice(image, official, "built" if found == own else "pulled")
    return Choice(image, str(image.built), "built") if own is not None else None


def _pulled(engine: Engine, image: Image, official: str, progress: Progress) -> Choice:
    progress(f"pulling {official} …")
    try:
        engine.run("pull", "--quiet", official, timeout=PULL_SECONDS)
    except OpsError as error:
        return Choice(image, official, "missing", str(error))
    return Choice(image, official, "pulled")
