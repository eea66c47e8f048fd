"""The container engine on this machine, and its Compose and Buildx plugins: found, or fetched."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.binaries import bin_folder, locked, place
from stack.ops.commands import LAST_LINE, Progress, run

_ANSWERS_WITHIN = 15.0
_PLUGINS_FOLDER = Path("usr/libexec/docker/cli-plugins")


@dataclass(frozen=True, slots=True)
class Engine:
    """How the engine is spoken to.

    Args:
        bin_dir: where plugins that this machine lacks are kept.
    """

    bin_dir: Path

    def run(
        self,
        *arguments: str,
        stdin: Path | None = None,
        timeout: float = 120,
        shown: slice = LAST_LINE,
        both: bool = False,
    ) -> str:
        """Return what `docker …` prints; arguments as of `commands.run`.

        Raises:
            OpsError: it fails.
        """
        return run(["docker", *arguments], stdin=stdin, timeout=timeout, shown=shown, both=both)

    def plugin(self, name: str, progress: Progress) -> tuple[str, ...]:
        """Return the command of `compose` or `buildx`.

        A machine with the engine alone gets the plugin from Debian's packages, into the run folder.

        Raises:
            OpsError: it is not there and cannot be had.
        """
        program = self.bin_dir / f"docker-{name}"
        if _answers(("docker", name, "version")):
            return ("docker", name)
        if not os.access(program, os.X_OK):
            with locked(self.bin_dir):
                self._fetch(program, progress)
        return (str(program),)

    def image_id(self, name: str) -> str | None:
        """Return what the engine calls an image of this machine; None when it is not there.

        Raises:
            OpsError: the engine does not answer.
        """
        try:
            return self.run("image", "inspect", "--format={{.Id}}", name, timeout=60).strip()
        except OpsError as error:
            if "no such image" in str(error).lower():
                return None
            raise

    def has_image(self, name: str) -> bool:
        """Tell whether an image is on this machine.

        Raises:
            OpsError: the engine does not answer.
        """
        return self.image_id(name) is not None

    def _fetch(self, program: Path, progress: Progress) -> None:
        progress(f"fetching {program.name} from Debian packages …")
        missing = debian.available()
        if missing:
            plugin = program.name.removeprefix("docker-")
            raise OpsError(f"no `docker {plugin}` on this machine, and {missing}; install it")
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.bin_dir) as scratch:
            debian.unpack("sid", [program.name], Path(scratch))
            place(Path(scratch) / _PLUGINS_FOLDER / program.name, program)


def find_engine(run_dir: Path) -> Engine:
    """Return the engine of this machine.

    Raises:
        OpsError: there is none, or it does not answer.
    """
    if shutil.which("docker") is None:
        raise OpsError("no Docker engine: `docker` is not on PATH")
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=_ANSWERS_WITHIN)
    except OpsError as error:
        raise OpsError(f"no Docker engine answers ({error})") from error
    return Engine(bin_folder(run_dir))


def _answers(command: Sequence[str]) -> bool:
    try:
        run(command, timeout=_ANSWERS_WITHIN)
    except OpsError:
        return False
    return True
