"""This machine's settings of pip, for a build in a container; passed as secrets, kept nowhere."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.ops.commands import run

# Where services/Dockerfile has the certificates.
_CERTIFICATES = "/run/ca_bundle.crt"
# Settings that decide where packages come from; others are of no use, or name folders of this
# machine.
_WANTED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


@contextmanager
def secrets() -> Iterator[list[str]]:
    """Give the options of `docker buildx build` that pass the settings on."""
    settings = _settings()
    certificates = settings.pop("cert", None) or next(
        (os.environ[name] for name in _CERTIFICATE_VARIABLES if os.environ.get(name)), None
    )
    with tempfile.TemporaryDirectory(prefix="stack-pip-") as folder:
        file = Path(folder) / "pip.conf"
        lines = [f"{name} = {value}" for name, value in settings.items() if name in _WANTED]
        options = [f"--secret=id=pip_conf,src={file}"]
        if certificates and Path(certificates).is_file():
            lines.append(f"cert = {_CERTIFICATES}")
            options.append(f"--secret=id=ca_bundle,src={certificates}")
        file.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
        file.chmod(0o600)
        yield options


def _settings() -> dict[str, str]:
    """Return what pip itself says that it uses, the environment's last as the strongest."""
    shown = run([sys.executable, "-m", "pip", "config", "list"])
    found: dict[str, str] = {}
    for line in sorted(shown.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        if equals:
            found[name.rpartition(".")[2]] = _unquoted(value)
    return found


def _unquoted(shown: str) -> str:
    """Pip prints values as Python's `repr`; a list of several has newlines between them."""
    text = str(ast.literal_eval(shown.strip()))
    return "\n    ".join(text.splitlines())
