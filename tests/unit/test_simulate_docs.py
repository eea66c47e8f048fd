"""The guide to circuit breakers shows what its commands print, and the library's defaults.

`python -m tests.unit.test_simulate_docs` writes both anew.
"""

import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from stack.breaker import BreakerConfig
from stack.ops import terminal
from stack.ops.cli import main

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "circuit-breaker.md"
PICTURE = ROOT / "docs" / "images" / "breaker-waits.svg"
STACK = ".venv/bin/stack "
SHOWN = re.compile(r"```sh\n\.venv/bin/stack (breaker [^\n]*)\n```\n\n```text\n(.*?)```", re.DOTALL)
TABLE = re.compile(r"<!-- defaults -->\n(?:\|.*\n)*")


def printed(command: str) -> str:
    """Return what a command prints, in a terminal of 80 characters."""
    # Its width was settled when it was made.
    terminal.out.width = 80
    ended = CliRunner().invoke(main, shlex.split(command))
    assert ended.exit_code == 0, ended.output
    return "".join(f"{line.rstrip()}\n" for line in ended.stdout.splitlines())


def defaults() -> str:
    """Return the options with their defaults, as the library has them."""
    text = inspect.getdoc(BreakerConfig) or ""
    rows = ["<!-- defaults -->", "| Option | Default | What it is |", "| --- | --- | --- |"]
    for each in fields(BreakerConfig):
        if each.name in {"record", "ignore", "failure_result"}:
            continue
        found = re.search(rf"^    {each.name}: (.*?)\.?\n(?=    \w|\n)", text, re.M | re.S)
        assert found, each.name
        value = getattr(BreakerConfig(), each.name)
        shown = "–" if value is None else f"{value:g}"
        rows.append(f"| `{each.name}` | {shown} | {' '.join(found[1].split())} |")
    return "\n".join(rows) + "\n"


def renewed(text: str) -> str:
    """Return the guide with outputs and defaults as they are now."""
    text = SHOWN.sub(lambda m: f"```sh\n{STACK}{m[1]}\n```\n\n```text\n{printed(m[1])}```", text)
    return TABLE.sub(lambda _: defaults(), text)


def test_the_guide_shows_what_its_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure in it is the simulator's, and so is the picture."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(terminal.out, "_width", 80)
    drawn = PICTURE.read_text(encoding="utf-8")
    text = GUIDE.read_text(encoding="utf-8")
    assert len(SHOWN.findall(text)) >= 6
    assert renewed(text) == text, "python -m tests.unit.test_simulate_docs"
    assert PICTURE.read_text(encoding="utf-8") == drawn


if __name__ == "__main__":
    GUIDE.write_text(renewed(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
