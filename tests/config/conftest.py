"""compose.yaml as Compose renders it, with the defaults of every variable."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stack.errors import OpsError
from stack.ops.commands import run
from stack.ops.docker.engine import Engine, find_engine
from tests.required import skip_containers

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
SCALE = ROOT / "compose.scale.yaml"
SHARDS = ROOT / "compose.shards.yaml"
# The variables that compose.yaml interpolates, with their defaults; one may stand in another's.
VARIABLE = re.compile(r"\$\{(\w+)(?::-((?:[^{}]|\{[^}]*\})*))?\}")

Render = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine; skip where there is none."""
    try:
        return find_engine(ROOT / ".run")
    except OpsError as error:
        skip_containers(f"containers: {error}")


@pytest.fixture(scope="session")
def render(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Render compose.yaml with some variables set, whatever `.env` and the environment say."""
    try:
        program = engine.plugin("compose", print)
    except OpsError as error:
        skip_containers(f"Compose: {error}")
    nothing = tmp_path_factory.mktemp("compose") / "env"
    nothing.touch()
    texts = COMPOSE.read_text() + SCALE.read_text() + SHARDS.read_text()
    inherited = {*dict(VARIABLE.findall(texts)), "COMPOSE_PROFILES", "COMPOSE_FILE"}

    def rendered(*overlays: Path, **variables: str) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patched:
            for name in inherited & os.environ.keys():
                patched.delenv(name)
            files = [f"--file={each}" for each in (COMPOSE, *overlays)]
            options = [f"--project-directory={ROOT}", *files, f"--env-file={nothing}"]
            command = [*program, *options, "--profile=*", "config", "--format=json"]
            document: dict[str, Any] = json.loads(run(command, env=variables))
        return document

    return rendered


@pytest.fixture(scope="session")
def document(render: Render) -> dict[str, Any]:
    """What runs when nobody sets anything."""
    return render()


@pytest.fixture(scope="session")
def scaled_document(render: Render) -> dict[str, Any]:
    """What runs with the overlay of pairs when nobody sets anything."""
    return render(SCALE)


@pytest.fixture(scope="session")
def sharded_document(render: Render) -> dict[str, Any]:
    """What runs with the overlays of pairs and of shards when nobody sets anything."""
    return render(SCALE, SHARDS)
