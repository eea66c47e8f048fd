"""Cassandra on this machine: fetched from Maven Central by fixed sums; and how it is started."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from stack.errors import OpsError
from stack.ops import commands
from stack.ops.binaries import bin_folder, locked
from stack.ops.commands import Progress
from stack.ops.components import Component, Plan
from stack.ops.made_once import for_this_checkout
from stack.ops.ports import LOCALHOST

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_SECONDS = 900.0
_AGENTS = ("jamm-0.4.0.jar", "jmx_prometheus_javaagent-0.20.0.jar")


def find_cassandra(run_dir: Path) -> Path | None:
    """Return the folder of Cassandra's jars; None when it was not fetched, or Java is missing."""
    folder = _jars(run_dir)
    return folder if folder.is_dir() and shutil.which("java") else None


def fetch_cassandra(run_dir: Path, progress: Progress) -> Path:
    """Fetch Cassandra into `STACK_BIN_DIR` or else `<run_dir>/bin`; nothing if it is there already.

    Each file has to have the sum in the committed `SHA256SUMS`. Several processes may call it at
    once.

    Args:
        run_dir: the run folder.
        progress: told in one line what happens.

    Returns:
        The folder of its jars.

    Raises:
        OpsError: Java or Maven is missing, it cannot be fetched, or a file is another one.
    """
    target = _jars(run_dir)
    with locked(bin_folder(run_dir)):
        there = target.is_dir()
        needed = [("java", "openjdk-17-jre-headless"), *([] if there else [("mvn", "maven")])]
        for program, package in needed:
            if shutil.which(program) is None:
                raise OpsError(
                    f"there is no {program} on PATH, which Cassandra needs; install it (Debian's "
                    f"package {package}), or put Cassandra's jars into {target}"
                )
        if there:
            progress(f"Cassandra is there already: {target}")
            return target
        progress("fetching Cassandra from Maven Central (once; 66 MB) …")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
            draft = Path(scratch) / "lib"
            _copy(draft)
            check_sums(draft, checkout_file("build/SHA256SUMS"))
            draft.replace(target)
    progress(f"fetched {target}")
    return target


def check_sums(folder: Path, sums: Path) -> None:
    """Hold a folder's files against a list of SHA-256 sums, as `sha256sum` writes it.

    Raises:
        OpsError: a file is missing, is one too many, or has another sum; the message names it.
    """
    lines = (line.split("  ", 1) for line in sums.read_text(encoding="utf-8").splitlines())
    wanted = {name: digest for digest, name in lines}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise OpsError(
                f"{name} has the SHA-256 {found.get(name, '(file missing)')}, not "
                f"{wanted.get(name, '(none: it is not listed)')} as {sums} says; fetch it again, "
                "or write the list anew if the version was changed on purpose"
            )


def cassandra(plan: Plan, jars: Path) -> Component:
    """Return the one node that keeps the traces.

    It needs the ports CASSANDRA_PORT (queries), CASSANDRA_STORAGE_PORT (other nodes) and
    CASSANDRA_METRICS_PORT (for Prometheus, and its health).
    """
    own = plan.root / "cassandra"
    jamm, exporter = (jars / name for name in _AGENTS)
    metrics = f"{LOCALHOST}:{plan.ports['CASSANDRA_METRICS_PORT']}"
    return Component(
        "cassandra",
        (
            shutil.which("java") or "java",
            f"@{own / 'jvm.options'}",
            f"-javaagent:{jamm}",
            f"-javaagent:{exporter}={metrics}:{own / 'metrics.yaml'}",
            f"-Dcassandra.config={(own / 'cassandra.yaml').as_uri()}",
            f"-Dlogback.configurationFile={own / 'logback.xml'}",
            f"-Dcassandra.storagedir={plan.data / 'cassandra'}",
            f"-Dcassandra.native_transport_port={plan.ports['CASSANDRA_PORT']}",
            f"-Dcassandra.storage_port={plan.ports['CASSANDRA_STORAGE_PORT']}",
            "-cp",
            f"{jars}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ),
        # That it answers queries is what the collectors' health says: they do not start before.
        plan.url("CASSANDRA_METRICS_PORT", "/-/healthy"),
        plan.url("CASSANDRA_METRICS_PORT", "/metrics"),
        "traces' store (Cassandra's metrics)",
    )


def checkout_file(name: str) -> Path:
    """Return a path below the checkout's `cassandra/`."""
    return Path(__file__).parents[2] / "cassandra" / name


def _jars(run_dir: Path) -> Path:
    return bin_folder(run_dir) / "cassandra" / "lib"


def _copy(folder: Path) -> None:
    options = ["--batch-mode", "--quiet", "--no-transfer-progress", "-DincludeScope=runtime"]
    try:
        commands.run(
            ["mvn", *options, f"-DoutputDirectory={folder}", _COPY],
            cwd=checkout_file("build"),
            timeout=_FETCH_SECONDS,
        )
    except OpsError as error:
        raise OpsError(f"Cassandra cannot be fetched: {error}") from error


if __name__ == "__main__":
    for_this_checkout(fetch_cassandra)
