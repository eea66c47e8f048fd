"""Jaeger on this machine: found, or built from its Go module; and how local mode runs it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stack.environment import choice, read
from stack.errors import ConfigurationError, OpsError
from stack.ops import commands
from stack.ops.binaries import bin_folder, locked, place
from stack.ops.commands import Progress

# The release that `jaeger/build/go.mod` asks for: one commit, tagged for v1's and v2's series.
MODULE_VERSION = "v1.76.0"
VERSION = "v2.13.0"
_MODULE = "github.com/jaegertracing/jaeger"
_BUILD_SECONDS = 1800.0


def find_jaeger(run_dir: Path) -> Path | None:
    """Return Jaeger's program; None when there is none, or `STACK_JAEGER` is `embedded`.

    It is looked for in `STACK_BIN_DIR` or else `<run_dir>/bin`, and on PATH.

    Raises:
        ConfigurationError: `STACK_JAEGER` is neither `auto` nor `embedded`.
    """
    if read(os.environ, "STACK_JAEGER", choice("auto", "embedded"), "auto") == "embedded":
        return None
    built = bin_folder(run_dir) / "jaeger"
    if os.access(built, os.X_OK):
        return built
    on_path = shutil.which("jaeger")
    return Path(on_path) if on_path else None


def build_jaeger(run_dir: Path, progress: Progress) -> Path:
    """Build Jaeger into `STACK_BIN_DIR` or else `<run_dir>/bin`; nothing if it is there already.

    The programs' versions are those of the committed `go.sum`. It takes some four minutes on two
    cores. Several processes may call it at once.

    Args:
        run_dir: the run folder.
        progress: told in one line what happens.

    Raises:
        OpsError: there is no Go, or it cannot build; the message ends with Go's last line.
    """
    folder = bin_folder(run_dir)
    with locked(folder):
        target = folder / "jaeger"
        if os.access(target, os.X_OK):
            progress(f"Jaeger is there already: {target}")
            return target
        if shutil.which("go") is None:
            raise OpsError(
                "there is no Go on PATH to build Jaeger with; install Go 1.24.6 or newer, or put "
                f"Jaeger's own program at {target}"
            )
        progress(f"building Jaeger {VERSION} (once; about four minutes) …")
        with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
            draft = Path(scratch) / "jaeger"
            _compile(draft)
            place(draft, target)
    progress(f"built {target} ({target.stat().st_size / 1e6:.0f} MB)")
    return target


def _compile(target: Path) -> None:
    version = f"{_MODULE}/internal/version"
    flags = (
        "-s -w "
        f"-X {version}.latestVersion={VERSION} "
        f"-X {version}.commitSHA={MODULE_VERSION} "
        # The same source gives the same bytes.
        f"-X {version}.date=1970-01-01T00:00:00Z"
    )
    options = ["-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags", flags]
    try:
        commands.run(
            ["go", "build", *options, "-o", str(target), f"{_MODULE}/cmd/jaeger"],
            # Static, so that it runs in any image.
            env={"CGO_ENABLED": "0", "GOWORK": "off"},
            cwd=checkout_file("build"),
            timeout=_BUILD_SECONDS,
        )
    except OpsError as error:
        raise OpsError(f"Jaeger cannot be built: {error}") from error


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


def main() -> None:
    """Build Jaeger for this checkout: `make jaeger`."""
    run_dir = Path(os.environ.get("STACK_RUN_DIR") or checkout_file("../.run")).resolve()
    try:
        build_jaeger(run_dir, print)
    except (OpsError, ConfigurationError) as error:
        sys.exit(f"stack: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
