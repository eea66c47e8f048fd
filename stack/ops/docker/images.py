"""Which image each container runs: the official one where it can be had, else one built here.

Nothing is downloaded by hand: Prometheus and Alertmanager come from Debian's packages, Jaeger from
its Go modules, Python from a Debian root file system. `images/Dockerfile` makes images of them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.commands import run
from stack.ops.docker import pip_settings
from stack.ops.docker.engine import Engine, Progress
from stack.ops.jaeger import build_jaeger

SERVICES = "stack-services:0.1.0"
_BUILD_SECONDS = 900
PULL_SECONDS = 600
_SUITE = "trixie"
_SYSTEM_PACKAGES = ("busybox-static", "libc6")
_PACKAGES = ("prometheus", "promtool", "prometheus-alertmanager")
# What no program in a container reads.
_LEFT_OUT = ("doc", "man", "locale", "info")


@dataclass(frozen=True, slots=True)
class Image:
    """One image that the project does not make itself.

    Args:
        name: the component; also the name of its stage in `images/Dockerfile`.
        variable: which one compose.yaml runs is set by it.
        built: what `make images` calls its own; None where none can be built.
    """

    name: str
    variable: str
    built: str | None


PYTHON = Image("python", "PYTHON_IMAGE", "stack-python:local")
PROMETHEUS = Image("prometheus", "PROMETHEUS_IMAGE", "stack-prometheus:local")
ALERTMANAGER = Image("alertmanager", "ALERTMANAGER_IMAGE", "stack-alertmanager:local")
JAEGER = Image("jaeger", "JAEGER_IMAGE", "stack-jaeger:local")
GRAFANA = Image("grafana", "GRAFANA_IMAGE", None)
# To add one, add a line above and name it here.
IMAGES = (PYTHON, PROMETHEUS, ALERTMANAGER, JAEGER, GRAFANA)


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs for an image.

    Args:
        image: which one.
        tag: its name in the engine.
        origin: pulled, built, or missing when it is not to be had.
    """

    image: Image
    tag: str
    origin: str

    @property
    def missing(self) -> bool:
        """Tell whether it cannot be had."""
        return self.origin == "missing"


def choose(engine: Engine, official: Mapping[str, str], progress: Progress) -> list[Choice]:
    """Decide which images run; what is here is taken, and what is not is pulled.

    Args:
        engine: where they are looked for.
        official: the name in compose.yaml of each image, by variable.
        progress: told in one line what happens.
    """
    return [_choose(engine, each, official[each.variable], progress) for each in IMAGES]


def _choose(engine: Engine, image: Image, official: str, progress: Progress) -> Choice:
    if engine.has_image(official):
        return Choice(image, official, "pulled" if official != image.built else "built")
    if image.built is not None and engine.has_image(image.built):
        return Choice(image, image.built, "built")
    progress(f"pulling {official} …")
    try:
        engine.run("pull", "--quiet", official, timeout=PULL_SECONDS)
    except OpsError:
        return Choice(image, official, "missing")
    return Choice(image, official, "pulled")


def build(root: Path, run_dir: Path, engine: Engine, progress: Progress, *, anew: bool) -> None:
    """Build every image that can be built, the services' included.

    Args:
        root: the checkout.
        run_dir: where the parts are laid out.
        engine: what builds them.
        progress: told in one line what happens.
        anew: also those that are there already.

    Raises:
        OpsError: one cannot be built; the message names it and why.
    """
    steps: list[tuple[Image, Callable[[], None]]] = [
        (PYTHON, partial(_python, engine)),
        *(
            (image, partial(_tool, image, root, run_dir, engine, progress))
            for image in (PROMETHEUS, ALERTMANAGER, JAEGER)
        ),
    ]
    for image, make in steps:
        tag = str(image.built)
        if not anew and engine.has_image(tag):
            progress(f"{tag} is there already")
            continue
        progress(f"building {tag} …")
        make()
    build_services(root, engine, str(PYTHON.built), progress)


def build_services(root: Path, engine: Engine, python: str, progress: Progress) -> None:
    """Build the services' image from this checkout; quick when nothing has changed.

    Args:
        root: the checkout.
        engine: what builds it.
        python: the image that it is based on.
        progress: told in one line what happens.

    Raises:
        OpsError: it cannot be built.
    """
    progress(f"building {SERVICES} on {python} …")
    with pip_settings.secrets() as secrets:
        _buildx(
            engine,
            progress,
            f"--file={root / 'services' / 'Dockerfile'}",
            f"--build-arg=PYTHON_IMAGE={python}",
            *secrets,
            f"--tag={SERVICES}",
            str(root),
        )


def listing(engine: Engine) -> Iterator[tuple[str, int]]:
    """Yield the name and size in bytes of each image that was built here."""
    for tag in [*(each.built for each in IMAGES if each.built), SERVICES]:
        if engine.has_image(tag):
            (found,) = json.loads(engine.run("image", "inspect", tag))
            yield tag, int(found["Size"])


def _python(engine: Engine) -> None:
    """Make a root file system with Python, and nothing that a container does not need."""
    if shutil.which("mmdebstrap") is None:
        raise OpsError("mmdebstrap is needed for Python's image: `apt-get install mmdebstrap`")
    with tempfile.TemporaryDirectory(prefix="stack-python-") as folder:
        archive = Path(folder) / "root.tar"
        options = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in _LEFT_OUT]
        source = f"deb [signed-by={debian.KEYRING}] {debian.mirror()} {_SUITE} main"
        run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=essential",
                # Compiled wheels need the last of them.
                "--include=python3,python3-venv,ca-certificates,libstdc++6",
                *options,
                _SUITE,
                str(archive),
                source,
            ],
            timeout=_BUILD_SECONDS,
        )
        command = 'CMD ["python3"]'
        engine.run("import", "--change", command, "-", str(PYTHON.built), stdin=archive)


def _tool(image: Image, root: Path, run_dir: Path, engine: Engine, progress: Progress) -> None:
    layout = run_dir / "images"
    (layout / "empty").mkdir(parents=True, exist_ok=True)
    _lay_out_system(layout / "system")
    if image is JAEGER:
        _lay_out(layout / "jaeger", {"jaeger": build_jaeger(run_dir, progress)})
    else:
        _lay_out_packages(layout)
    _buildx(
        engine,
        progress,
        f"--file={root / 'images' / 'Dockerfile'}",
        f"--build-arg=PYTHON_IMAGE={PYTHON.built}",
        f"--target={image.name}",
        f"--tag={image.built}",
        str(layout),
    )


def _lay_out_system(folder: Path) -> None:
    """Put a C library, a shell and wget where the programs and their health checks look."""
    if folder.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".system-", dir=folder.parent) as scratch:
        draft = Path(scratch)
        debian.unpack("sid", _SYSTEM_PACKAGES, draft)
        for each in _LEFT_OUT:
            shutil.rmtree(draft / "usr" / "share" / each, ignore_errors=True)
        for name in ("bin", "lib", "lib64"):
            _merge(draft / name, draft / "usr" / name)
        for applet in ("sh", "wget"):
            (draft / "usr" / "bin" / applet).symlink_to("busybox")
        (draft / "etc").mkdir(exist_ok=True)
        (draft / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")
        (draft / "etc" / "passwd").write_text("nobody:x:65534:65534:nobody:/:/bin/sh\n")
        (draft / "tmp").mkdir()
        (draft / "tmp").chmod(0o1777)
        draft.chmod(0o755)
        shutil.copytree(draft, folder, symlinks=True)


def _merge(old: Path, merged: Path) -> None:
    """Let `/bin` be `/usr/bin`, as on every Debian machine."""
    merged.mkdir(parents=True, exist_ok=True)
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, merged, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(old)
    if not old.is_symlink():
        old.symlink_to(f"usr/{old.name}")


def _lay_out_packages(layout: Path) -> None:
    if (layout / "prometheus").exists():
        return
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=layout) as scratch:
        debian.unpack("sid", _PACKAGES, Path(scratch))
        programs = Path(scratch) / "usr" / "bin"
        share = Path(scratch) / "usr" / "share" / "prometheus"
        _lay_out(
            layout / "alertmanager",
            {
                "alertmanager": programs / "prometheus-alertmanager",
                "amtool": programs / "amtool",
            },
            share,
        )
        _lay_out(
            layout / "prometheus",
            {name: programs / name for name in ("prometheus", "promtool")},
            share,
        )


def _lay_out(folder: Path, programs: Mapping[str, Path], share: Path | None = None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "usr" / "bin"
    target.mkdir(parents=True)
    for name, program in programs.items():
        shutil.copy2(program, target / name)
        (target / name).chmod(0o755)
    if share is not None:
        shutil.copytree(share, folder / "usr" / "share" / "prometheus", symlinks=True)


def _buildx(engine: Engine, progress: Progress, *arguments: str) -> None:
    run(
        [*engine.plugin("buildx", progress), "build", "--load", "--progress=plain", *arguments],
        env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        timeout=_BUILD_SECONDS,
        shown=slice(-12, None),
    )
