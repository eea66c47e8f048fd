"""Prometheus and Alertmanager are found on the machine or fetched; else the mend is said."""

from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops import binaries, debian
from stack.ops.binaries import find_binaries

NAMES = ("prometheus", "promtool", "alertmanager", "amtool")


def place(folder: Path, version: str = "9.9.9", names: tuple[str, ...] = NAMES) -> None:
    """Put programs there that only know their version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        path.write_text(f"#!/bin/sh\necho {name}, version {version}\n")
        path.chmod(0o755)


@pytest.fixture(autouse=True)
def nothing_on_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STACK_BIN_DIR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def refuse(*_: object) -> None:
    raise OpsError("no network")


def test_what_is_in_the_run_folder_is_used(tmp_path: Path) -> None:
    """Nothing is fetched a second time."""
    place(tmp_path / "bin")
    said: list[str] = []
    assert find_binaries(tmp_path, said.append).prometheus == tmp_path / "bin" / "prometheus"
    assert said == []


def test_another_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`STACK_BIN_DIR` wins."""
    place(tmp_path / "bin")
    place(tmp_path / "mine")
    monkeypatch.setenv("STACK_BIN_DIR", str(tmp_path / "mine"))
    assert find_binaries(tmp_path, print).amtool == tmp_path / "mine" / "amtool"


def test_those_on_path_are_used_when_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under upstream's name or Debian's; older ones would not understand the files."""
    place(tmp_path / "path", names=("prometheus", "promtool", "prometheus-alertmanager", "amtool"))
    found = find_binaries(tmp_path, print)
    assert found.alertmanager == tmp_path / "path" / "prometheus-alertmanager"
    place(tmp_path / "path", version="2.42.0", names=("prometheus",))
    monkeypatch.setattr(binaries, "_from_debian", refuse)
    monkeypatch.setattr(binaries, "_from_archives", refuse)
    with pytest.raises(OpsError):
        find_binaries(tmp_path, print)


def test_archives_come_after_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way that fails is told as it happens."""
    monkeypatch.setattr(binaries, "_from_debian", refuse)
    monkeypatch.setattr(binaries, "_from_archives", lambda scratch, folder: place(folder))
    said: list[str] = []
    assert find_binaries(tmp_path, said.append).promtool.is_file()
    assert any("Debian" in line and "no network" in line for line in said)


def test_the_message_names_what_was_tried_and_the_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH, Debian, archives; network, PATH, STACK_BIN_DIR."""
    monkeypatch.setattr(binaries, "_from_debian", refuse)
    monkeypatch.setattr(binaries, "_from_archives", refuse)
    with pytest.raises(OpsError) as failed:
        find_binaries(tmp_path, print)
    for word in ("PATH", "Debian packages: no network", "release archives", "STACK_BIN_DIR"):
        assert word in str(failed.value)
    assert [p.name for p in (tmp_path / "bin").iterdir()] == [".lock"]


def test_a_machine_without_apt_is_told_so() -> None:
    """Debian's packages need apt-get, dpkg and Debian's keyring."""
    assert debian.available() == "no apt-get on this machine"


def test_relocated_programs_look_below_their_working_directory(tmp_path: Path) -> None:
    """The path is replaced by one of the same length, the rest stays as it was."""
    program = tmp_path / "program"
    program.write_bytes(b"\x00/usr/share/prometheus/web\x00/usr/share/other\x00")
    debian.relocate(program, "/usr/share/prometheus/")
    assert program.read_bytes() == b"\x00" + b"./" * 11 + b"web\x00/usr/share/other\x00"
    with pytest.raises(OpsError, match="odd"):
        debian.relocate(program, "/a/")
