"""A service is added to a checkout, or taken away: all of it, or nothing."""

from __future__ import annotations

from pathlib import Path

from stack.errors import OpsError
from stack.ops.added import Added, added
from stack.ops.all_or_nothing import Changes, all_or_nothing
from stack.ops.kubernetes import files, layout
from stack.ops.scaffold.copying import changed, folder, written
from stack.ops.scaffold.entries import entries
from stack.ops.scaffold.naming import RESERVED, check_name, choose_port


def add(root: Path, name: str, port: str | None = None) -> dict[Path, str]:
    """Copy the template under a name, and register it with the stack.

    Args:
        root: the checkout.
        name: what it is called.
        port: where it listens; the next that is free if nothing is said.

    Returns:
        each file that was written or changed, and the Kustomize bases' folder; and what of it.

    Raises:
        ConfigurationError: the name or port cannot be had.
        OpsError: a file is in the way, or cannot be written; nothing has been changed.
    """
    check_name(root, name)
    number = choose_port(root, port)
    new = written(root, name, number)
    in_the_way = [str(path) for path in (folder(name), *new) if (root / path).exists()]
    if in_the_way:
        raise OpsError(
            f"NAME={name!r} would overwrite {', '.join(in_the_way)}; "
            "take another name, or move that away"
        )
    shared = {each.path: each.put_in(_read(root, each.path)) for each in entries(name, number)}
    made = _change(root, {**new, **shared})
    return {**dict.fromkeys(new, "new"), **dict.fromkeys(shared, "entry"), **made}


def remove(root: Path, name: str, *, force: bool = False) -> dict[Path, str]:
    """Take an added service away.

    Args:
        root: the checkout.
        name: what it is called.
        force: whether code that was changed since is deleted, too.

    Returns:
        each file that was deleted or changed, and the Kustomize bases' folder; and what of it.

    Raises:
        OpsError: no such service was added, it has been changed and `force` is not given, or a
            file cannot be written; nothing has been changed.
    """
    found = _added(root, name)
    own = changed(root, name, found.port)
    if own and not force:
        raise OpsError(
            f"{name} has been changed since it was added: {', '.join(map(str, own))}; "
            f"make remove-service NAME={name} FORCE=1 deletes that, too"
        )
    gone = sorted(path for path in {*own, *written(root, name, found.port)})
    shared = {each.path: each.taken_out(_read(root, each.path)) for each in entries(name, 0)}
    made = _change(root, {**dict.fromkeys(gone), **shared})
    return {**dict.fromkeys(gone, "deleted"), **dict.fromkeys(shared, "entry"), **made}


def _change(root: Path, changes: Changes) -> dict[Path, str]:
    """Make the changes, and write the checkout's Kustomize bases anew, where it has them."""
    bases = Path("kubernetes")
    with all_or_nothing(root) as change:
        change(changes)
        if not (root / bases / files.LIST).is_file():
            return {}
        export = files.changes(root / bases, layout.texts(root))
        change({bases / path: text for path, text in export.items()})
    return {bases: "anew"}


def _added(root: Path, name: str) -> Added:
    known = added(root)
    for each in known:
        if each.name == name:
            return each
    if name in RESERVED:
        raise OpsError(f"NAME={name!r} is the stack's own; only what was added can be removed")
    names = ", ".join(each.name for each in known) or "none"
    raise OpsError(f"NAME={name!r} was not added; there is {names}")


def _read(root: Path, path: Path) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{path} cannot be read ({error}); restore it") from error
