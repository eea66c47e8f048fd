"""Building images without a container registry.

Nothing is downloaded by hand: Prometheus, Alertmanager and Caddy come from Debian's packages,
Jaeger, Thanos and versitygw from their Go modules, Cassandra from Maven Central, Python and Java
from Debian root file systems. `images/Dockerfile` makes images of them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stack.errors import OpsError
from stack.ops import debian
from stack.ops.cassandra import fetch_cassandra
from stack.ops.commands import Progress, run
from stack.ops.docker import layout, pip_settings
from stack.ops.docker.engine import Engine
from stack.ops.docker.images import (
    ALERTMANAGER,
    BALANCER,
    CASSANDRA,
    JAEGER,
    PROMETHEUS,
    PYTHON,
    SCALED_IMAGES,
    SERVICES,
    THANOS,
    VERSITYGW,
    Image,
)
from stack.ops.jaeger import build_jaeger
from stack.ops.scale.balancer import find_balancer
from stack.ops.thanos import build_thanos
from stack.ops.versitygw import build_versitygw

_BUILD_SECONDS = 900
_SUITE = "trixie"
# Compiled wheels need the last of them.
_PYTHON_PACKAGES = "python3,python3-venv,ca-certificates,libstdc++6"
# The last suite with the Java that Cassandra wants.
_JAVA_SUITE, _JAVA_PACKAGES = "bookworm", "openjdk-17-jre-headless"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def build(
    root: Path,
    run_dir: Path,
    engine: Engine,
    progress: Progress,
    *,
    anew: bool,
    scale: bool = False,
) -> None:
    """Build every image that can be built, the services' included.

    Args:
        root: the checkout.
        run_dir: where the parts are laid out while they are needed.
        engine: what builds them.
        progress: told in one line what happens.
        anew: also those that are there already.
        scale: also those that only a stack of pairs runs.

    Raises:
        OpsError: some could not be built; the message names each and why.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="images-", dir=run_dir) as scratch:
        builder = _Builder(root, run_dir, Path(scratch), engine, progress)
        steps: dict[str, Callable[[], None]] = {
            str(PYTHON.built): builder.python,
            str(PROMETHEUS.built): builder.prometheus,
            str(ALERTMANAGER.built): builder.alertmanager,
            str(JAEGER.built): builder.jaeger,
        }
        if scale:
            steps |= {
                str(THANOS.built): builder.thanos,
                str(VERSITYGW.built): builder.versitygw,
                str(CASSANDRA.built): builder.cassandra,
                str(BALANCER.built): builder.balancer,
            }
        for tag, make in steps.items():
            if not anew and engine.has_image(tag):
                progress(f"{tag} is there already")
                continue
            progress(f"building {tag} …")
            try:
                make()
            except OpsError as error:
                failed.append(f"{tag}: {error}")
    if engine.has_image(str(PYTHON.built)):
        build_services(root, engine, str(PYTHON.built), progress)
    if failed:
        raise OpsError("could not be built: " + "; ".join(failed))


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
    for tag in [*(each.built for each in SCALED_IMAGES if each.built), SERVICES]:
        if engine.has_image(tag):
            (found,) = json.loads(engine.run("image", "inspect", tag))
            yield tag, int(found["Size"])


class _Builder:
    """One run of `make images`: what several images need is laid out once."""

    def __init__(
        self, root: Path, run_dir: Path, folder: Path, engine: Engine, progress: Progress
    ) -> None:
        self._root = root
        self._run_dir = run_dir
        self._folder = folder
        self._engine = engine
        self._progress = progress

    def python(self) -> None:
        """Make a root file system with Python, and nothing that a container does not need."""
        archive = self._folder / "python.tar"
        _root_file_system(archive, _SUITE, _PYTHON_PACKAGES, layout.LEFT_OUT)
        start = 'CMD ["python3"]'
        self._engine.run("import", "--change", start, "-", str(PYTHON.built), stdin=archive)

    def prometheus(self) -> None:
        """Make its image, of Debian's packages."""
        self._packages()
        self._tool("prometheus", str(PROMETHEUS.built))

    def alertmanager(self) -> None:
        """Make its image, of Debian's packages."""
        self._packages()
        self._tool("alertmanager", str(ALERTMANAGER.built))

    def jaeger(self) -> None:
        """Make its image, of a static program."""
        self._program(JAEGER, "jaeger", build_jaeger)

    def thanos(self) -> None:
        """Make its image, of a static program."""
        self._program(THANOS, "thanos", build_thanos)

    def versitygw(self) -> None:
        """Make its image, of a static program."""
        self._program(VERSITYGW, "versitygw", build_versitygw)

    def cassandra(self) -> None:
        """Make its image, of its jars and a root file system with Java."""
        jars = fetch_cassandra(self._run_dir, self._progress)
        shutil.copytree(jars, self._folder / "cassandra" / "lib")
        # Its package makes links beside its manual pages, and fails where they are left out.
        left_out = [each for each in layout.LEFT_OUT if each != "man"]
        _root_file_system(self._folder / "java.tar", _JAVA_SUITE, _JAVA_PACKAGES, left_out)
        self._tool("cassandra", str(CASSANDRA.built))

    def balancer(self) -> None:
        """Make its image, of Debian's package."""
        self._program(BALANCER, "caddy", find_balancer)

    def _program(self, image: Image, name: str, get: Callable[[Path, Progress], Path]) -> None:
        program = get(self._run_dir, self._progress)
        layout.programs(self._folder / image.name, {name: program})
        self._tool(image.name, str(image.built))

    def _packages(self) -> None:
        if not (self._folder / "prometheus").exists():
            layout.packages(self._folder)

    def _tool(self, stage: str, tag: str) -> None:
        if not (self._folder / "system").exists():
            (self._folder / "empty").mkdir()
            layout.system(self._folder / "system")
        layout.readable(self._folder)
        _buildx(
            self._engine,
            self._progress,
            f"--file={self._root / 'images' / 'Dockerfile'}",
            f"--build-arg=PYTHON_IMAGE={PYTHON.built}",
            f"--target={stage}",
            f"--tag={tag}",
            str(self._folder),
        )


def _root_file_system(archive: Path, suite: str, packages: str, left_out: Sequence[str]) -> None:
    if shutil.which("mmdebstrap") is None:
        raise OpsError("mmdebstrap is needed: `apt-get install mmdebstrap`")
    options = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in left_out]
    source = f"deb [signed-by={debian.KEYRING}] {debian.mirror()} {suite} main"
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={packages}"]
    run([*command, *options, suite, str(archive), source], timeout=_BUILD_SECONDS)


def _buildx(engine: Engine, progress: Progress, *arguments: str) -> None:
    # The engine's own builder, whatever is selected, for others do not see its images.
    context = engine.run("context", "inspect", "--format={{.Name}}").strip()
    proxies = [f"--build-arg={name}" for name in _PROXIES if os.environ.get(name)]
    command = [*engine.plugin("buildx", progress), "build", f"--builder={context}", "--load"]
    run(
        [*command, "--progress=plain", *proxies, *arguments],
        env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        timeout=_BUILD_SECONDS,
        shown=slice(-12, None),
    )
