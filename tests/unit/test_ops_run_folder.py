"""The run folder remembers what was started, for its owner alone, one command at a time."""

from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops import log_files, run_folder
from stack.ops.components import Plan
from stack.ops.ports import DEFAULTS
from stack.ops.secrets import make_secrets


def test_what_was_started_is_found_again(tmp_path: Path) -> None:
    """With the ports and speed of then, whatever the environment says now."""
    plan = Plan(Path("/checkout"), tmp_path, {**DEFAULTS, "LLM_PORT": 1}, speed=7.0, load=0.0)
    assert run_folder.load(tmp_path) is None
    run_folder.save(plan)
    assert run_folder.load(tmp_path) == plan


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"root": 1}', '{"other": true}'])
def test_a_damaged_memory_is_a_clear_error(damage: str, tmp_path: Path) -> None:
    """The message names the file and the mend."""
    (tmp_path / "stack.json").write_text(damage)
    with pytest.raises(OpsError, match=r"stack\.json cannot be read.*delete it"):
        run_folder.load(tmp_path)


def test_two_commands_do_not_work_at_once(tmp_path: Path) -> None:
    """The second says so instead of waiting."""
    with (
        run_folder.locked(tmp_path),
        pytest.raises(OpsError, match="another stack command"),
        run_folder.locked(tmp_path),
    ):
        pass
    with run_folder.locked(tmp_path):
        pass


def test_secrets_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """A second start keeps them, an empty one is made anew."""
    folder = tmp_path / "secrets"
    make_secrets(folder)
    first = (folder / "metrics_token").read_text()
    (folder / "faults_token").write_text("")
    make_secrets(folder)
    assert (folder / "metrics_token").read_text() == first
    assert len((folder / "faults_token").read_text().strip()) >= 32
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "faults_token").stat().st_mode & 0o077 == 0


def test_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    """The last lines of one log, or of all with names in front."""
    (tmp_path / "llm.log").write_text("1\n2\n3\nhalf")
    (tmp_path / "inbox.log").write_bytes(b"\xff\n")
    assert list(log_files.read(tmp_path, "llm", 2, follow=False)) == ["2", "3"]
    assert len(list(log_files.read(tmp_path, None, 10, follow=False))) == 4
    with pytest.raises(OpsError, match=r"SERVICE='nope'.*inbox, llm"):
        list(log_files.read(tmp_path, "nope", 10, follow=False))


def test_a_followed_log_shows_what_comes_also_after_rotation(tmp_path: Path) -> None:
    """Nothing is shown twice, nothing is left out."""
    path = tmp_path / "llm.log"
    path.write_text("1\n")
    following = log_files.read(tmp_path, "llm", 10, follow=True)
    assert next(following) == "1"
    with path.open("a") as file:
        file.write("2\n")
    assert next(following) == "2"
    path.rename(tmp_path / "llm.log.1")
    path.write_text("3\n")
    assert next(following) == "3"
