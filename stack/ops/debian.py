"""Programs from packages of another Debian suite; needs no root, changes nothing outside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stack.errors import OpsError
from stack.ops.commands import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
_STEP_SECONDS = 120


def available() -> str | None:
    """Say what is missing for fetching packages; None when nothing is."""
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        return f"no {missing[0]} on this machine"
    return None if KEYRING.is_file() else f"no {KEYRING} to check signatures with"


def unpack(suite: str, packages: Sequence[str], destination: Path) -> None:
    """Unpack packages below `destination`; apt checks their signatures.

    Args:
        suite: for example `sid`.
        packages: names, without their dependencies.
        destination: made if it is not there.

    Raises:
        OpsError: a step fails; the message has apt's own words.
    """
    with tempfile.TemporaryDirectory(prefix="stack-debian-") as folder:
        state = Path(folder)
        for each in ("lists/partial", "cache/archives/partial", "packages"):
            (state / each).mkdir(parents=True)
        sources = state / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        apt = _apt(state)
        _run([*apt, "update"], state)
        _run([*apt, "download", *packages], state / "packages")
        destination.mkdir(parents=True, exist_ok=True)
        for package in sorted((state / "packages").glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(destination)], state)


def relocate(program: Path, folder: str) -> None:
    """Let a program look for its data below its working directory instead of below `folder`.

    Paths that are compiled in cannot be changed but for others of the same length, so `/a/b/c/`
    becomes `./././`; package managers that install into a home directory do the same.

    Args:
        program: changed in place.
        folder: an absolute path with a slash at the end, of even length.

    Raises:
        OpsError: its length is odd.
    """
    before = folder.encode()
    if len(before) % 2:
        raise OpsError(f"{folder} cannot be relocated: its length is odd")
    program.write_bytes(program.read_bytes().replace(before, b"./" * (len(before) // 2)))


def _apt(state: Path) -> list[str]:
    """Name apt with lists and cache of its own; the machine's proxies stay in force."""
    options = {
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        # The download folder belongs to this user, whoever that is.
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 20,
        "Acquire::Languages": "none",
        # A list that cannot be fetched has to be an error, not a warning.
        "APT::Update::Error-Mode": "any",
    }
    return ["apt-get", "-qq", *(part for k, v in options.items() for part in ("-o", f"{k}={v}"))]


def mirror() -> str:
    """Return the mirror that this machine uses most, so that its proxies and caches work.

    Raises:
        OpsError: apt does not say.
    """
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], Path())
    mirrors = [line for line in listed.split() if line.rstrip("/").endswith("/debian")]
    return max(mirrors, key=mirrors.count) if mirrors else DEFAULT_MIRROR


def _run(command: Sequence[str], directory: Path) -> str:
    return run(
        command,
        cwd=directory,
        env={"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        timeout=_STEP_SECONDS,
        # Apt names the cause first, and what follows from it after.
        shown=slice(1),
    )
