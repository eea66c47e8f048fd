"""versitygw, a small S3 server over a folder: built from its Go module."""

from __future__ import annotations

from pathlib import Path

from stack.ops import go_tools
from stack.ops.commands import Progress
from stack.ops.go_tools import GoTool

_VERSITYGW = GoTool(
    "versitygw",
    "versitygw",
    "v1.8.0",
    "github.com/versity/versitygw/cmd/versitygw",
    go="1.25",
    minutes=1,
)
_ROOT = Path(__file__).parents[2]


def build_versitygw(run_dir: Path, progress: Progress) -> Path:
    """Build versitygw, as of `go_tools.build`.

    Raises:
        OpsError: there is no Go, or it cannot build.
    """
    return go_tools.build(_VERSITYGW, _ROOT / "versitygw" / "build", run_dir, progress)
