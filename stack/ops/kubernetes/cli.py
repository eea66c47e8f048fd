"""`stack export kubernetes`."""

from __future__ import annotations

from pathlib import Path

import click

from stack.ops import run_folder
from stack.ops.kubernetes import files, layout
from stack.ops.terminal import command, out


@click.group()
def export() -> None:
    """Write the stack's files for other places to run it."""


@export.command()
@click.argument("dest", type=click.Path(path_type=Path))
@command
def kubernetes(dest: Path) -> None:
    """Write Kustomize bases for Kubernetes to DEST."""
    texts = layout.texts(run_folder.checkout())
    files.write(dest, texts)
    out.print(f"wrote {len(texts)} files to {dest}", soft_wrap=True)
    out.print("apply it, after its secrets (docs/kubernetes.md):")
    for folder in ("base", "overlays/small"):
        out.print(f"  kubectl apply -k {dest / folder}", soft_wrap=True)
