"""A program's output, or one error that says what went wrong."""

import re
import time
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops.commands import run

SAYS = ["sh", "-c", "echo out; echo first >&2; echo >&2; echo last >&2; exit 3"]


def test_what_is_printed_is_returned() -> None:
    """As it is; what goes to standard error is not part of it unless asked for."""
    both = ["sh", "-c", "echo out; echo err >&2"]
    assert run(both) == "out\n"
    assert run(both, both=True) == "out\nerr\n"
    assert run(["printf", "\\377"]) == "\N{REPLACEMENT CHARACTER}"


def test_the_environment_is_added_to_and_the_folder_and_the_input_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process has is still there; without an input there is none."""
    monkeypatch.setenv("STACK_TEST_OWN", "own")
    (tmp_path / "input").write_text("read")
    script = ["sh", "-c", 'echo "$STACK_TEST_OWN $STACK_TEST_ADDED $PWD $(cat)"']
    added = {"STACK_TEST_ADDED": "added"}
    assert run(script, env=added, cwd=tmp_path, stdin=tmp_path / "input") == (
        f"own added {tmp_path} read\n"
    )
    assert run(["cat"]) == ""


@pytest.mark.parametrize(
    ("command", "shown", "said"),
    [
        (SAYS, slice(-1, None), "sh: last"),
        (SAYS, slice(-5, None), "sh: first\n  last"),
        (SAYS, slice(0, 1), "sh: first"),
        (["sh", "-c", "echo only here; exit 1"], slice(-1, None), "sh: only here"),
        (["sh", "-c", "echo here; echo >&2; exit 1"], slice(-1, None), "sh: here"),
        (["sh", "-c", "exit 4"], slice(-1, None), "sh: exit 4"),
        (["sh", "-c", "kill -9 $$"], slice(-1, None), "sh: exit -9"),
    ],
    ids=["last", "several", "first", "output", "blank-error", "silent", "killed"],
)
def test_a_failure_ends_with_the_programs_words(
    command: list[str], shown: slice, said: str
) -> None:
    """The lines that are asked for, of standard error before standard output."""
    with pytest.raises(OpsError) as failed:
        run(command, shown=shown)
    assert str(failed.value) == said


def test_the_words_are_found_where_both_outputs_are_one() -> None:
    """In the order in which they came."""
    with pytest.raises(OpsError, match=re.escape("sh: out\n  first\n  last")):
        run(SAYS, both=True, shown=slice(None))


@pytest.mark.parametrize(
    "what",
    [
        lambda folder: run(["stack-test-no-such-program"]),
        lambda folder: run([str(folder)]),
        lambda folder: run(["true"], cwd=folder / "nowhere"),
        lambda folder: run(["cat"], stdin=folder / "nowhere"),
    ],
    ids=["missing", "folder", "nowhere", "no-input"],
)
def test_what_cannot_be_run_is_our_error(what: object, tmp_path: Path) -> None:
    """Never one of Python's, whatever is missing."""
    assert callable(what)
    with pytest.raises(OpsError, match="cannot be run"):
        what(tmp_path)


def test_what_takes_too_long_is_ended() -> None:
    """The error has the program and the time, not its arguments, which may hold secrets."""
    began = time.monotonic()
    with pytest.raises(OpsError) as failed:
        run(["sleep", "60"], timeout=0.2)
    assert str(failed.value) == "sleep took longer than 0.2 s"
    assert time.monotonic() - began < 10
