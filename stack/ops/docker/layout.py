"""The files of the images that are built here, laid out in folders as the images have them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stack.ops import debian
from stack.ops.binaries import PACKAGES

# What no program in a container reads.
LEFT_OUT = ("doc", "man", "locale", "info")
_SUITE = "sid"
_SYSTEM_PACKAGES = ("busybox-static", "libc6")


def system(folder: Path) -> None:
    """Put a C library, a shell and wget where the programs and their health checks look.

    Raises:
        OpsError: Debian's packages cannot be had.
    """
    debian.unpack(_SUITE, _SYSTEM_PACKAGES, folder)
    for each in LEFT_OUT:
        shutil.rmtree(folder / "usr" / "share" / each, ignore_errors=True)
    for name in ("bin", "lib", "lib64"):
        _merge(folder / name, folder / "usr" / name)
    for applet in ("sh", "wget", "mkdir"):
        (folder / "usr" / "bin" / applet).symlink_to("busybox")
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")
    (folder / "etc" / "passwd").write_text("nobody:x:65534:65534:nobody:/:/bin/sh\n")
    (folder / "tmp").mkdir(mode=0o1777)


def _merge(old: Path, merged: Path) -> None:
    """Let `/bin` be `/usr/bin`, as on every Debian machine."""
    merged.mkdir(parents=True, exist_ok=True)
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, merged, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(old)
    if not old.is_symlink():
        old.symlink_to(f"usr/{old.name}")


def packages(folder: Path) -> None:
    """Put Prometheus, Alertmanager and their tools into two folders below `folder`.

    Raises:
        OpsError: Debian's packages cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=folder) as scratch:
        debian.unpack(_SUITE, PACKAGES, Path(scratch))
        bin_folder = Path(scratch) / "usr" / "bin"
        share = Path(scratch) / "usr" / "share" / "prometheus"
        programs(
            folder / "alertmanager",
            {
                "alertmanager": bin_folder / "prometheus-alertmanager",
                "amtool": bin_folder / "amtool",
            },
            share,
        )
        programs(
            folder / "prometheus",
            {name: bin_folder / name for name in ("prometheus", "promtool")},
            share,
        )


def programs(folder: Path, sources: Mapping[str, Path], share: Path | None = None) -> None:
    """Put programs where the images have them, each under the name given."""
    target = folder / "usr" / "bin"
    target.mkdir(parents=True)
    for name, source in sources.items():
        shutil.copy2(source, target / name)
        (target / name).chmod(0o755)
    if share is not None:
        shutil.copytree(share, folder / "usr" / "share" / "prometheus", symlinks=True)


def readable(folder: Path) -> None:
    """Let every user read a folder and what is below it, whatever this user's umask is.

    What a container's user cannot read, it cannot run.
    """
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            wanted = 0o755 if path.is_dir() or mode & 0o100 else 0o644
            # A folder such as /tmp may be open for all.
            path.chmod(wanted if path.name != "tmp" else 0o1777)
