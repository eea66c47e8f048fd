"""The engine and its plugins are found, fetched, or missed with a clear word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.docker import engine as engine_module
from stack.ops.docker.engine import Engine, find_engine


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder where programs are looked for, besides the system's shell."""
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("STACK_BIN_DIR", raising=False)
    return folder


def docker(folder: Path, script: str) -> None:
    """Put a `docker` there that runs these lines."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_an_engine_that_answers_is_found(on_path: Path, tmp_path: Path) -> None:
    """Its plugins are kept in the run folder."""
    docker(on_path, '[ "$1" = version ] && echo 28.0')
    assert find_engine(tmp_path) == Engine(tmp_path / "bin")


def test_without_a_client_there_is_no_engine(on_path: Path, tmp_path: Path) -> None:
    """It says which program is missing."""
    with pytest.raises(OpsError, match="no Docker engine: `docker` is not on PATH"):
        find_engine(tmp_path)


def test_an_engine_that_does_not_answer_is_said_so(on_path: Path, tmp_path: Path) -> None:
    """With the client's own words."""
    docker(on_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(OpsError, match=r"no Docker engine answers \(docker: Cannot connect"):
        find_engine(tmp_path)


def test_an_engine_that_hangs_is_not_waited_for(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket on which nobody answers is as good as none."""
    monkeypatch.setattr(engine_module, "_ANSWERS_WITHIN", 0.3)
    docker(on_path, "exec /bin/sleep 60")
    with pytest.raises(OpsError, match=r"answers \(docker took longer than 0\.3 s\)"):
        find_engine(tmp_path)


def test_images_are_looked_for_by_name(on_path: Path, tmp_path: Path) -> None:
    """None is there when the engine says so; an engine that is silent says nothing."""
    answers = """\
case "$4" in
  here:1) echo sha256:1 ;;
  elsewhere:1) echo "Error response from daemon: No such image: $4" >&2; exit 1 ;;
  *) echo "Cannot connect to the Docker daemon" >&2; exit 1 ;;
esac"""
    docker(on_path, answers)
    assert Engine(tmp_path).image_id("here:1") == "sha256:1"
    assert not Engine(tmp_path).has_image("elsewhere:1")
    with pytest.raises(OpsError, match="Cannot connect"):
        Engine(tmp_path).has_image("anything:1")


def test_an_installed_plugin_is_used(on_path: Path, tmp_path: Path) -> None:
    """Before one in the run folder."""
    docker(on_path, '[ "$*" = "compose version" ]')
    (tmp_path / "docker-compose").touch(mode=0o755)
    assert Engine(tmp_path).plugin("compose", print) == ("docker", "compose")


def test_a_fetched_plugin_is_used_again(on_path: Path, tmp_path: Path) -> None:
    """Nothing is fetched, and nothing said."""
    docker(on_path, "exit 1")
    (tmp_path / "docker-compose").touch(mode=0o755)
    said: list[str] = []
    found = Engine(tmp_path).plugin("compose", said.append)
    assert found == (str(tmp_path / "docker-compose"),)
    assert said == []


def test_a_missing_plugin_is_fetched(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the package of its name, placed at once or not at all."""

    def unpack(suite: str, packages: Sequence[str], destination: Path) -> None:
        (name,) = packages
        program = destination / "usr" / "libexec" / "docker" / "cli-plugins" / name
        program.parent.mkdir(parents=True)
        program.write_text(suite)

    monkeypatch.setattr(debian, "available", lambda: None)
    monkeypatch.setattr(debian, "unpack", unpack)
    docker(on_path, "exit 1")
    said: list[str] = []
    (program,) = Engine(tmp_path / "bin").plugin("buildx", said.append)
    assert Path(program).read_text() == "sid"
    assert Path(program).stat().st_mode & 0o111
    assert said == ["fetching docker-buildx from Debian packages …"]
    left = {path.name for path in (tmp_path / "bin").iterdir()}
    assert left == {".lock", "docker-buildx"}


def test_a_plugin_that_cannot_be_had_is_named(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is missing, and the mend."""
    monkeypatch.setattr(debian, "available", lambda: "no apt-get on this machine")
    docker(on_path, "exit 1")
    with pytest.raises(OpsError) as failed:
        Engine(tmp_path).plugin("compose", lambda _: None)
    assert str(failed.value) == (
        "no `docker compose` on this machine, and no apt-get on this machine; install it"
    )
