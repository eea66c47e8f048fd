"""Running an example as a newcomer does, but with next to nothing in the environment."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
# This checkout, and whatever else the tests' own Python was told to look at.
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
}


def example(number: int) -> Path:
    (found,) = (path for path in EXAMPLES if path.name.startswith(f"{number:02}_"))
    return found


@cache
def output(number: int, *arguments: str, first: str = "") -> str:
    """Run an example in another folder than its own and return what it wrote.

    Args:
        number: which one.
        arguments: its own.
        first: a folder whose modules are found before all others.
    """
    environment = dict(ENVIRONMENT)
    if first:
        environment["PYTHONPATH"] = os.pathsep.join([first, environment["PYTHONPATH"]])
    ran = subprocess.run(
        [sys.executable, str(example(number)), *arguments],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def rows(text: str) -> list[list[str]]:
    """Split the lines of aligned columns, which have two spaces or more between them."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()
    ]
