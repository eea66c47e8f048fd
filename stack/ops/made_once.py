"""The commands behind `make jaeger`, `make thanos` and `make cassandra`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from stack.errors import ConfigurationError, OpsError
from stack.ops.commands import Progress
from stack.ops.run_folder import checkout


def for_this_checkout(get: Callable[[Path, Progress], object]) -> None:
    """Get something into this checkout's run folder, or `STACK_RUN_DIR`; an error is one line.

    Args:
        get: is told the run folder, and what to tell of its progress.
    """
    try:
        get(Path(os.environ.get("STACK_RUN_DIR") or checkout() / ".run").resolve(), print)
    except (OpsError, ConfigurationError) as error:
        sys.exit(f"stack: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
