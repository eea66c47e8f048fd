"""The programs that only a stack at scale needs: found, or had as each can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops.cassandra import find_cassandra
from stack.ops.commands import Progress
from stack.ops.scale.balancer import find_balancer
from stack.ops.thanos import find_thanos


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are."""

    thanos: Path
    caddy: Path
    cassandra: Path


NOWHERE = Programs(Path(), Path(), Path())


def find(run_dir: Path, progress: Progress) -> Programs:
    """Return them.

    Args:
        run_dir: the run folder.
        progress: told in one line what happens.

    Raises:
        OpsError: one cannot be had; the message says what helps.
    """
    thanos = find_thanos(run_dir)
    if thanos is None:
        raise OpsError("at scale metrics need Thanos; `make thanos` builds it")
    cassandra = find_cassandra(run_dir)
    if cassandra is None:
        raise OpsError("at scale traces need Cassandra; `make cassandra` fetches it")
    return Programs(thanos, find_balancer(run_dir, progress), cassandra)
