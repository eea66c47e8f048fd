"""Jaeger on this machine: found, or built from its Go module; and how local mode runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stack.environment import choice, read
from stack.errors import OpsError
from stack.ops import commands, go_tools
from stack.ops.commands import Progress
from stack.ops.go_tools import GoTool
from stack.ops.made_once import for_this_checkout

# The release that `jaeger/build/go.mod` asks for: one commit, tagged for v1's and v2's series.
MODULE_VERSION = "v1.76.0"
VERSION = "v2.13.0"
_MODULE = "github.com/jaegertracing/jaeger"
_JAEGER = GoTool(
    "jaeger",
    "Jaeger",
    VERSION,
    f"{_MODULE}/cmd/jaeger",
    go="1.24.6",
    minutes=4,
    ldflags=(
        f"-X {_MODULE}/internal/version.latestVersion={VERSION} "
        f"-X {_MODULE}/internal/version.commitSHA={MODULE_VERSION} "
        # The same source gives the same bytes.
        f"-X {_MODULE}/internal/version.date=1970-01-01T00:00:00Z"
    ),
)


def find_jaeger(run_dir: Path) -> Path | None:
    """Return Jaeger's program; None when there is none, or `STACK_JAEGER` is `embedded`.

    It is looked for in `STACK_BIN_DIR` or else `<run_dir>/bin`, and on PATH.

    Raises:
        ConfigurationError: `STACK_JAEGER` is neither `auto` nor `embedded`.
    """
    if read(os.environ, "STACK_JAEGER", choice("auto", "embedded"), "auto") == "embedded":
        return None
    return go_tools.find(_JAEGER, run_dir)


def build_jaeger(run_dir: Path, progress: Progress) -> Path:
    """Build Jaeger where it is looked for, as of `go_tools.build`.

    Raises:
        OpsError: there is no Go, or it cannot build.
    """
    return go_tools.build(_JAEGER, checkout_file("build"), run_dir, progress)


def checkout_file(name: str) -> Path:
    """Return a path below the checkout's `jaeger/`."""
    return Path(__file__).parents[2] / "jaeger" / name


def check_config(program: Path, config: Path, environment: Mapping[str, str]) -> None:
    """Let Jaeger read its configuration as it would when it starts.

    Raises:
        OpsError: Jaeger refuses it, or cannot be run; the message has its last line.
    """
    try:
        commands.run(
            [str(program), "validate", f"--config=file:{config}"], env=environment, timeout=30
        )
    except OpsError as error:
        raise OpsError(f"{config} is refused by {error}") from error


if __name__ == "__main__":
    for_this_checkout(build_jaeger)
