"""The examples are of one form, and their README shows what they really print."""

import ast
import re
from pathlib import Path

import pytest

from tests.examples.running import EXAMPLES, ROOT, output

LONGEST = 80
README = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
TABLE = [line.strip("|").split(" | ") for line in README.splitlines() if line.startswith("| [")]


def named(path: Path) -> str:
    return path.name


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def stable(line: str) -> str:
    """Leave out what differs from run to run: ids and times."""
    line = re.sub(r"\b[0-9a-f]{32}\b", "<trace>", line)
    line = re.sub(r"  [0-9a-f]{6}  ", "  <span>  ", line)
    return re.sub(r" *\d+\.\d ms", " <time>", line)


def test_there_are_ten() -> None:
    """Numbered from 01 to 10."""
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02}_" for number in range(1, 11)]


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_it_is_short_and_explained(path: Path) -> None:
    """At most 80 lines that are not blank, of which the first say what, where to look and when."""
    written = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(written) <= LONGEST
    assert all(f"\n\n{part}" in docstring(path) for part in ("Shows:", "Look for:", "You want it"))


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_it_imports_the_public_api(path: Path) -> None:
    """From `stack` itself, but for the one instrument that an ASGI middleware needs."""
    imported = re.findall(r"^ *(?:import|from) (stack\S*)", path.read_text("utf-8"), re.MULTILINE)
    inner = ["stack.metrics.instruments"] if path.name.startswith("07_") else []
    assert imported == ["stack", *inner]


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_the_readme_has_it_as_it_is(path: Path) -> None:
    """Its link, the first sentence of its docstring, and the first lines of its output."""
    number = int(path.name[:2])
    name, what, shown = (cell.strip() for cell in TABLE[number - 1])
    assert name == f"[{path.stem}]({path.name})"
    assert what == docstring(path).splitlines()[0]
    lines = [line.strip("`") for line in shown.split("<br>")]
    assert lines
    printed = output(number).splitlines()[: len(lines)]
    assert [stable(line) for line in printed] == [stable(line) for line in lines]
