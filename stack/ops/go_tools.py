"""Programs that are built from their Go modules, at the versions of a committed `go.mod`."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops import commands
from stack.ops.binaries import bin_folder, locked, place
from stack.ops.commands import Progress

_BUILD_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class GoTool:
    """One program.

    Args:
        name: that of its file.
        title: what people call it.
        version: its release, with a `v` before it.
        package: the import path of its `main`.
        go: the lowest release of Go that builds it.
        minutes: how long that takes on two cores.
        ldflags: values that are put in, such as its version.
        tags: build tags, with commas between.
    """

    name: str
    title: str
    version: str
    package: str
    go: str
    minutes: int
    ldflags: str = ""
    tags: str = ""


def find(tool: GoTool, run_dir: Path) -> Path | None:
    """Return a program: from `STACK_BIN_DIR` or else `<run_dir>/bin`, or from PATH; or None."""
    built = bin_folder(run_dir) / tool.name
    if os.access(built, os.X_OK):
        return built
    on_path = shutil.which(tool.name)
    return Path(on_path) if on_path else None


def build(tool: GoTool, source: Path, run_dir: Path, progress: Progress) -> Path:
    """Build a program into `STACK_BIN_DIR` or else `<run_dir>/bin`; nothing if it is there already.

    The versions of all that goes into it are those of the committed `go.sum`. Several processes
    may call it at once.

    Args:
        tool: which one.
        source: the folder of its `go.mod`.
        run_dir: the run folder.
        progress: told in one line what happens.

    Raises:
        OpsError: there is no Go, or it cannot build; the message ends with Go's last line.
    """
    folder = bin_folder(run_dir)
    with locked(folder):
        target = folder / tool.name
        if os.access(target, os.X_OK):
            progress(f"{tool.title} is there already: {target}")
            return target
        if shutil.which("go") is None:
            raise OpsError(
                f"there is no Go on PATH to build {tool.title} with; install Go {tool.go} or "
                f"newer, or put {tool.title}'s own program at {target}"
            )
        minutes = "a minute" if tool.minutes == 1 else f"{tool.minutes} minutes"
        progress(f"building {tool.title} {tool.version} (once; about {minutes}) …")
        with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
            draft = Path(scratch) / tool.name
            _compile(tool, source, draft)
            place(draft, target)
    progress(f"built {target} ({target.stat().st_size / 1e6:.0f} MB)")
    return target


def _compile(tool: GoTool, source: Path, target: Path) -> None:
    flags = f"-s -w {tool.ldflags}".strip()
    options = ["-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags", flags]
    if tool.tags:
        options += ["-tags", tool.tags]
    try:
        commands.run(
            ["go", "build", *options, "-o", str(target), tool.package],
            # Static, so that it runs in any image.
            env={"CGO_ENABLED": "0", "GOWORK": "off"},
            cwd=source,
            timeout=_BUILD_SECONDS,
        )
    except OpsError as error:
        raise OpsError(f"{tool.title} cannot be built: {error}") from error
