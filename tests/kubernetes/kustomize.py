"""Kustomize, built once into the folder of programs, and what it gives."""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path

import yaml

from stack.ops import go_tools
from stack.ops.go_tools import GoTool
from tests.kubernetes.objects import ROOT, Object
from tests.required import skip_go

KUSTOMIZE = GoTool(
    "kustomize",
    "Kustomize",
    "v5.7.1",
    "sigs.k8s.io/kustomize/kustomize/v5",
    go="1.24",
    minutes=1,
    ldflags="-X sigs.k8s.io/kustomize/api/provenance.version=v5.7.1",
)


@cache
def program() -> Path:
    """Return Kustomize: that of the folder of programs or of PATH, or else one built now."""
    found = go_tools.find(KUSTOMIZE, ROOT / ".run")
    if found is None and shutil.which("go") is None:
        skip_go("Kustomize is not on PATH, and there is no Go to build it with")
    source = Path(__file__).parent / "build"
    return found or go_tools.build(KUSTOMIZE, source, ROOT / ".run", print)


def built(folder: Path) -> list[Object]:
    """Return the objects that `kustomize build` makes of a folder, without a warning."""
    return deepcopy(_built(folder))


@cache
def _built(folder: Path) -> list[Object]:
    ended = subprocess.run(
        [program(), "build", folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(ended.stdout, loader))
