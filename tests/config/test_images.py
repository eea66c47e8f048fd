"""The images that are built here: small, without a compiler, and without this machine's secrets."""

from __future__ import annotations

import io
import json
import re
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stack.errors import OpsError
from stack.ops.docker import images, pip_settings
from stack.ops.docker.engine import Engine
from stack.ops.supervisor import wait_until
from tests.config.policy import ONE_SHOT
from tests.required import skip_containers

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
COMPILERS = ("as", "c++", "cc", "clang", "cpp", "g++", "gcc", "go", "ld", "make", "rustc")
# Where settings and secrets would lie.
FORBIDDEN = re.compile(
    r"(^|/)(pip\.conf|ca_bundle\.crt|\.netrc|\.pypirc|\.env|\.git|\.cache)(/|$)|^run/secrets/."
)
TOOLS = tuple(each for each in images.IMAGES if each is not images.PYTHON)


def inspect(engine: Engine, tag: str) -> dict[str, Any]:
    (found,) = json.loads(engine.run("image", "inspect", tag))
    return dict(found)


@pytest.fixture(scope="session")
def image(engine: Engine) -> dict[str, Any]:
    """The services' image as the engine describes it; skip where it is not built."""
    if not engine.has_image(images.SERVICES):
        skip_containers(f"{images.SERVICES} is not on this machine; `make images` builds it")
    return inspect(engine, images.SERVICES)


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """A name for a container that is gone after the test."""
    name = f"stack-test-{uuid.uuid4().hex[:8]}"
    yield name
    engine.run("rm", "--force", name)


def in_image(engine: Engine, name: str, *command: str) -> str:
    """Return what a program prints in a hardened container of the services' image."""
    return engine.run("run", f"--name={name}", *HARDENED, images.SERVICES, *command)


def own_layers(archive: Path, base: int) -> Iterator[tarfile.TarFile]:
    """Yield the layers of a saved image above those of the image that it is based on."""
    with tarfile.open(archive) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        for layer in json.load(manifest)[0]["Layers"][base:]:
            with tarfile.open(fileobj=saved.extractfile(layer)) as opened:
                yield opened


def leaks(layer: tarfile.TarFile, secrets: Sequence[bytes]) -> Iterator[str]:
    """Yield the files of a layer that must not be there, or hold what must not be."""
    for member in layer:
        path = str(PurePosixPath(member.name))
        if FORBIDDEN.search(path):
            yield path
        content = layer.extractfile(member) if member.isfile() else None
        if content is not None:
            data = content.read()
            yield from (f"{path}: {each[:40]!r}" for each in secrets if each in data)


def machines_settings(trusted: str) -> list[bytes]:
    """Return what a build gets from this machine: pip's settings, certificates of its own."""
    with pip_settings.secrets() as options:
        paths = {
            name: Path(source).read_text()
            for name, source in re.findall(r"id=(\w+),src=(.+)", "\n".join(options))
        }
    lines = [line for line in paths["pip_conf"].splitlines() if "=" in line]
    certificates = re.findall(
        r"-----BEGIN .+?-----\n(.+?)\n-----END", paths.get("ca_bundle", ""), re.DOTALL
    )
    own = [each for each in certificates if each not in trusted]
    return [each.encode() for each in [*lines, *own]]


def test_no_layer_holds_what_the_build_was_given(
    engine: Engine, image: dict[str, Any], tmp_path: Path
) -> None:
    """Neither pip's settings nor this machine's certificates, not even in a file deleted later."""
    layers = image["RootFS"]["Layers"]
    base, trusted = 0, ""
    if engine.has_image(str(images.PYTHON.built)):
        below = inspect(engine, str(images.PYTHON.built))["RootFS"]["Layers"]
        if layers[: len(below)] == below:
            base = len(below)
            bundle = "/etc/ssl/certs/ca-certificates.crt"
            trusted = engine.run("run", "--rm", str(images.PYTHON.built), "cat", bundle)
    if not trusted:
        pytest.skip(f"{images.SERVICES} is not based on {images.PYTHON.built}")
    secrets = machines_settings(trusted)
    engine.run("save", f"--output={tmp_path / 'image.tar'}", images.SERVICES)
    found = [
        line for layer in own_layers(tmp_path / "image.tar", base) for line in leaks(layer, secrets)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "content", "found"),
    [
        ("etc/pip.conf", b"", ["etc/pip.conf"]),
        ("./run/secrets/metrics_token", b"", ["run/secrets/metrics_token"]),
        (
            "opt/x",
            b"a\nindex-url = https://me:pw@host\n",
            ["opt/x: b'index-url = https://me:pw@host'"],
        ),
        ("opt/venv/lib/python3.13/site-packages/stack/ops/docker/pip_settings.py", b"", []),
    ],
    ids=["settings", "secret", "content", "code"],
)
def test_a_leak_would_be_found(path: str, content: bytes, found: list[str]) -> None:
    """By the name of a file or by what it holds."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as writing:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        writing.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as layer:
        assert list(leaks(layer, [b"index-url = https://me:pw@host"])) == found


def test_neither_history_nor_environment_tells_of_the_build(
    engine: Engine, image: dict[str, Any]
) -> None:
    """What anybody can read who has the image."""
    shown = engine.run("history", "--no-trunc", "--format={{json .}}", images.SERVICES)
    told = "\n".join([shown, *image["Config"]["Env"]])
    assert (
        re.findall(r"PIP_\w+|pip_conf|ca_bundle|index-url|TOKEN|PASSWORD|PROXY", told, re.I) == []
    )


def test_the_image_is_small(image: dict[str, Any]) -> None:
    """At most 250 MB."""
    assert image["Size"] <= 250e6


def test_the_image_says_what_it_is(image: dict[str, Any]) -> None:
    """Title, description and version, the last as in its name."""
    labels = image["Config"]["Labels"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.title"]
    assert labels[f"{prefix}.description"]
    assert labels[f"{prefix}.version"] == images.SERVICES.partition(":")[2]


def test_the_image_runs_as_nobody_in_particular(
    engine: Engine, image: dict[str, Any], container: str
) -> None:
    """Also when nobody says so, and as a number."""
    assert image["Config"]["User"] == "10001:10001"
    assert in_image(engine, container, "id", "-u").strip() == "10001"


def test_the_image_has_no_compiler(engine: Engine, image: dict[str, Any], container: str) -> None:
    """Nor anything else that makes programs, under any prefix."""
    names = "|".join(map(re.escape, COMPILERS))
    program = (
        "import os, pathlib, re\n"
        f"wanted = re.compile(r'(.+-)?({names})(-?[0-9.]+)?').fullmatch\n"
        "folders = [p for p in map(pathlib.Path, os.get_exec_path()) if p.is_dir()]\n"
        "print([str(p) for folder in folders for p in folder.iterdir() if wanted(p.name)])"
    )
    assert in_image(engine, container, "python3", "-c", program).strip() == "[]"


def test_the_services_environment_has_no_pip(
    engine: Engine, image: dict[str, Any], container: str
) -> None:
    """Neither as a program nor as a module; what the base image has of it is not ours."""
    program = (
        "import importlib.util, pathlib\n"
        "print([str(each) for each in pathlib.Path('/opt/venv/bin').glob('pip*')])\n"
        "print(importlib.util.find_spec('pip'))"
    )
    shown = in_image(engine, container, "python3", "-c", program)
    assert shown.split() == ["[]", "None"]


def test_the_services_own_none_of_their_files(
    engine: Engine, image: dict[str, Any], container: str
) -> None:
    """Nor may they write them where the root is not read-only, nor gain rights by one."""
    condition = "( -user 10001 -o -perm -o+w -o -perm /6000 ) -not -type l"
    assert in_image(engine, container, "find", "/app", "/opt/venv", *condition.split()) == ""


def test_a_service_runs_on_a_read_only_root(
    engine: Engine, image: dict[str, Any], container: str
) -> None:
    """With no capability and no network, until the image's own check calls it healthy."""
    options = [*HARDENED, "--tmpfs=/tmp:size=16m,noexec", "--memory=256m", "--pids-limit=64"]
    variables = ["--env=PORT=8002", "--env=OTEL_TRACES_EXPORTER=none"]
    command = ["gunicorn", "-c", "services/gunicorn.conf.py", "services.llm.app:create_app()"]
    start = ["run", "--detach", f"--name={container}", *options, *variables]
    engine.run(*start, images.SERVICES, *command)

    def is_healthy() -> bool:
        health = engine.run("inspect", "--format={{.State.Health.Status}}", container)
        return health.strip() == "healthy"

    assert wait_until(is_healthy, 60, pause=0.5), engine.run("logs", container, both=True)
    with pytest.raises(OpsError, match="Read-only file system"):
        engine.run("exec", container, "touch", "/app/new")


def test_the_health_check_fails_where_nothing_answers(
    engine: Engine, image: dict[str, Any], container: str
) -> None:
    """A check that always passes would heal nothing."""
    with pytest.raises(OpsError):
        in_image(engine, container, "python3", "-SE", "services/healthcheck.py")
    assert "ConnectionRefused" in engine.run("logs", container)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tools_image_fits_compose_yaml(
    engine: Engine, document: dict[str, Any], tool: images.Image
) -> None:
    """Each of its volumes has a mount, so that no nameless one stays; its user is the image's."""
    service = document["services"][tool.name]
    tags = [tag for tag in (service["image"], tool.built) if tag and engine.has_image(tag)]
    if not tags:
        # None of Grafana can be built.
        leave_out = skip_containers if tool.built else pytest.skip
        leave_out(f"no image of {tool.name} on this machine: {service['image']}")
    config = inspect(engine, tags[0])["Config"]
    mounts = {mount["target"] for mount in service["volumes"]}
    assert set(config.get("Volumes") or {}) <= mounts
    if config["User"].partition(":")[0].isdigit():
        assert config["User"].partition(":")[0] == service["user"].partition(":")[0]


def test_volumes_take_the_services_user(
    engine: Engine, image: dict[str, Any], document: dict[str, Any], container: str
) -> None:
    """A named volume is laid over a folder that the user owns, else nothing could be written."""
    targets = {
        mount["target"]
        for name in (ONE_SHOT, "gateway", "inbox")
        for mount in document["services"][name]["volumes"]
    }
    shown = in_image(engine, container, "stat", "--format=%u:%g", *sorted(targets))
    assert set(shown.split()) == {"10001:10001"}
