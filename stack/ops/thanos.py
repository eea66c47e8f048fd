"""Thanos on this machine: found, or built from its Go module."""

from __future__ import annotations

from pathlib import Path

from stack.ops import go_tools
from stack.ops.commands import Progress
from stack.ops.go_tools import GoTool
from stack.ops.made_once import for_this_checkout

VERSION = "v0.41.0"
_THANOS = GoTool(
    "thanos",
    "Thanos",
    VERSION,
    "github.com/thanos-io/thanos/cmd/thanos",
    go="1.25",
    minutes=2,
    # It takes Prometheus' label sets for slices of its own, which they are only with this tag.
    tags="slicelabels",
    ldflags=f"-X github.com/prometheus/common/version.Version={VERSION.removeprefix('v')}",
)
_ROOT = Path(__file__).parents[2]


def find_thanos(run_dir: Path) -> Path | None:
    """Return Thanos' program; None when there is none.

    It is looked for in `STACK_BIN_DIR` or else `<run_dir>/bin`, and on PATH.
    """
    return go_tools.find(_THANOS, run_dir)


def build_thanos(run_dir: Path, progress: Progress) -> Path:
    """Build Thanos where it is looked for, as of `go_tools.build`.

    Raises:
        OpsError: there is no Go, or it cannot build.
    """
    return go_tools.build(_THANOS, _ROOT / "thanos" / "build", run_dir, progress)


if __name__ == "__main__":
    for_this_checkout(build_thanos)
