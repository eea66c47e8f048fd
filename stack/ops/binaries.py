"""Prometheus and Alertmanager on this machine: found, or fetched without root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.commands import Progress

# Lowest versions whose configuration files and flags ours use.
NEEDED = {"prometheus": (3, 5), "alertmanager": (0, 28)}
TOOLS = {"prometheus": "promtool", "alertmanager": "amtool"}
# Templates and pages, which upstream's builds have inside.
_SHARE = "/usr/share/prometheus/"
PACKAGES = ("prometheus", "promtool", "prometheus-alertmanager")
RELEASES = {"prometheus": "3.5.0", "alertmanager": "0.28.1"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs are."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path

    @property
    def directory(self) -> Path | None:
        """Where they have to be started, if that matters: Debian's read templates from there."""
        share = self.alertmanager.parent / "share"
        return share if share.is_dir() else None


def find_binaries(run_dir: Path, progress: Progress) -> Binaries:
    """Return the programs; the first call fetches them.

    They are looked for in `STACK_BIN_DIR` or else `<run_dir>/bin`, on PATH, in Debian's packages,
    in the projects' release archives. Several processes may call it at once.

    Args:
        run_dir: the run folder.
        progress: told in one line what happens.

    Raises:
        OpsError: they cannot be had; the message says what was tried and what helps.
    """
    folder = bin_folder(run_dir)
    found = _in_folder(folder) or _on_path()
    if found is not None:
        return found
    with locked(folder):
        return _in_folder(folder) or _fetch(folder, progress)


def bin_folder(run_dir: Path) -> Path:
    """Return where programs are kept: `STACK_BIN_DIR`, or else a folder in the run folder."""
    return Path(os.environ.get("STACK_BIN_DIR") or run_dir / "bin").resolve()


def _in_folder(folder: Path) -> Binaries | None:
    names = [folder / name for name in ("prometheus", "promtool", "alertmanager", "amtool")]
    return Binaries(*names) if all(os.access(path, os.X_OK) for path in names) else None


def _on_path() -> Binaries | None:
    # Debian's package gives Alertmanager another name.
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    found = [
        shutil.which("prometheus"),
        shutil.which("promtool"),
        alertmanager,
        shutil.which("amtool"),
    ]
    paths = [Path(path) for path in found if path]
    if len(paths) < len(found):
        return None
    binaries = Binaries(*paths)
    new_enough = (
        _version(binaries.prometheus) >= NEEDED["prometheus"]
        and _version(binaries.alertmanager) >= NEEDED["alertmanager"]
    )
    return binaries if new_enough else None


def _version(program: Path) -> tuple[int, ...]:
    try:
        shown = subprocess.run(  # noqa: S603 -- found on the user's PATH
            [str(program), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    match = re.search(r"version (\d+)\.(\d+)", shown.stdout + shown.stderr)
    return tuple(int(part) for part in match.groups()) if match else (0,)


def _fetch(folder: Path, progress: Progress) -> Binaries:
    tried = []
    for what, fetch in (("Debian packages", _from_debian), ("release archives", _from_archives)):
        progress(f"fetching Prometheus and Alertmanager from {what} …")
        try:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
                fetch(Path(scratch), folder)
        except OpsError as error:
            tried.append(f"{what}: {error}")
            progress(f"not to be had from {what}: {error}")
            continue
        found = _in_folder(folder)
        if found is not None:
            return found
        tried.append(f"{what}: programs are missing in them")
    needed = " and ".join(f"{name} {a}.{b}" for name, (a, b) in NEEDED.items())
    raise OpsError(
        f"{needed} or newer are not to be had. Tried: PATH; {'; '.join(tried)}. "
        "Check the network and proxy settings; or put prometheus, promtool, alertmanager and "
        "amtool on PATH, or into a folder named by STACK_BIN_DIR"
    )


def _from_debian(scratch: Path, folder: Path) -> None:
    missing = debian.available()
    if missing:
        raise OpsError(missing)
    debian.unpack("sid", PACKAGES, scratch)
    shutil.rmtree(folder / "share", ignore_errors=True)
    (scratch / _SHARE.strip("/")).replace(folder / "share")
    programs = scratch / "usr" / "bin"
    for source in ("promtool", "prometheus", "amtool", "prometheus-alertmanager"):
        debian.relocate(programs / source, _SHARE)
        place(programs / source, folder / source.removeprefix("prometheus-"))


def _from_archives(scratch: Path, folder: Path) -> None:
    architecture = _ARCHITECTURES.get(platform.machine())
    system = platform.system().lower()
    if architecture is None or system not in {"linux", "darwin"}:
        raise OpsError(f"there are none for {system} on {platform.machine()}")
    for name, version in RELEASES.items():
        archive = f"{name}-{version}.{system}-{architecture}"
        address = f"https://github.com/prometheus/{name}/releases/download/v{version}"
        try:
            sums = _download(f"{address}/sha256sums.txt").decode()
            packed = _download(f"{address}/{archive}.tar.gz")
        except httpx.HTTPError as error:
            raise OpsError(f"{address}: {str(error) or type(error).__name__}") from error
        if f"{hashlib.sha256(packed).hexdigest()}  {archive}.tar.gz" not in sums.splitlines():
            raise OpsError(f"{archive}.tar.gz has another SHA-256 than its release says")
        file = scratch / "archive.tar.gz"
        file.write_bytes(packed)
        with tarfile.open(file) as opened:
            opened.extractall(scratch, filter="data")
        for program in (TOOLS[name], name):
            place(scratch / archive / program, folder / program)


def _download(address: str) -> bytes:
    answer = httpx.get(address, follow_redirects=True, timeout=httpx.Timeout(60, connect=10))
    answer.raise_for_status()
    return answer.content


def place(program: Path, target: Path) -> None:
    """Move a program to where it is looked for, at once or not at all.

    Raises:
        OpsError: it is not there.
    """
    if not program.is_file():
        raise OpsError(f"{program.name} is not in what was fetched")
    program.chmod(0o755)
    program.replace(target)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from fetching programs into it.

    Raises:
        OpsError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OpsError(f"cannot write to {folder}: {error}; set STACK_BIN_DIR") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
