"""Secrets are made in a container at the first start, and kept at the next ones."""

import os
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from stack.ops.secrets import main

# As in the container.
NOBODY = 10001


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder of somebody who is not root, as whom the test runs."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if is_root:
            os.chown(name, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)
                os.setegid(0)


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    """A token that is in use stays as it is, an empty file is none."""
    kept, empty, new = (tmp_path / name for name in ("kept", "empty", "new"))
    kept.write_text("mine\n")
    empty.touch()
    assert main([str(kept), str(empty), str(new)]) == 0
    assert kept.read_text() == "mine\n"
    assert len(empty.read_text().strip()) >= 32
    assert len(new.read_text().strip()) >= 32
    assert empty.read_text() != new.read_text()
    before = new.read_text()
    assert main([str(new)]) == 0
    assert new.read_text() == before


def test_who_shares_the_volume_can_read_and_nobody_can_write(tmp_path: Path) -> None:
    """Prometheus runs as another user than the services."""
    assert main([str(tmp_path / "token")]) == 0
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o444


def test_keys_of_a_bucket_have_the_form_that_clients_read(tmp_path: Path) -> None:
    """Three lines, of which the S3 server reads the same."""
    path = tmp_path / "credentials"
    assert main([str(path)]) == 0
    found = ConfigParser()
    found.read(path)
    keys = found["default"]
    assert set(keys) == {"aws_access_key_id", "aws_secret_access_key"}
    assert len(keys["aws_secret_access_key"]) >= 32
    assert len(path.read_text().splitlines()) == 3


def test_a_folder_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the path, and an exit status that Compose sees."""
    assert main([str(tmp_path / "nowhere" / "token")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("secrets: ")
    assert str(tmp_path / "nowhere" / "token") in said
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(
    nobodys_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a volume that belongs to another user."""
    nobodys_folder.chmod(0o500)
    assert main([str(nobodys_folder / "token")]) == 1
    said = capsys.readouterr().err
    assert "Permission denied" in said
    assert said.count("\n") == 1


def test_a_start_that_was_interrupted_is_made_good(nobodys_folder: Path) -> None:
    """A file that a killed first start left empty is written by the next one."""
    left = nobodys_folder / "token"
    left.touch()
    left.chmod(0o444)
    assert main([str(left)]) == 0
    assert len(left.read_text().strip()) >= 32
