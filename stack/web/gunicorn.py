"""gunicorn's hooks, for `from stack.web.gunicorn import *` in its configuration file.

`gunicorn -c python:stack.web.gunicorn …` does without such a file. Importing it makes metrics
shareable between workers, before the application creates any; the hooks choose and wipe the shared
folder and keep what dead workers counted. The exporter's thread and queue renew themselves in each
worker. No environment variable is needed.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from stack import logs
from stack.breaker import share_state
from stack.errors import ConfigurationError
from stack.metrics import multiprocess
from stack.tracing import shutdown
from stack.web import fault_state

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

__all__ = ["child_exit", "logger_class", "on_exit", "on_starting", "post_fork", "worker_exit"]

multiprocess.install()

_show_exception = sys.excepthook


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line what is wrong with a setting; a stack would only hide it."""
    if isinstance(error, ConfigurationError):
        logs.get_logger("stack.web.gunicorn").critical(error, event_type="configuration_invalid")
    else:
        _show_exception(kind, error, trace)


sys.excepthook = _explain

logger_class = "stack.web.gunicorn_log.Logger"


def on_starting(_: Arbiter) -> None:
    """Choose this run's shared folder: for metrics, faults and the breakers' state."""
    directory = multiprocess.open_directory()
    fault_state.share(directory / "faults.json")
    share_state(directory / "breakers")


def post_fork(_: Arbiter, worker: Worker) -> None:
    """Say which worker has started, and how much it can do at a time."""
    # Instruments must not be made before `install` above.
    from stack.metrics import instruments

    instruments.server_can_serve(worker.cfg.threads)
    logs.get_logger("stack.web.gunicorn").info(
        "worker started", event_type="worker_started", worker_pid=worker.pid
    )


def worker_exit(_: Arbiter, __: Worker) -> None:
    """Send the spans that are still queued."""
    shutdown()


def child_exit(_: Arbiter, worker: Worker) -> None:
    """Keep what the dead worker counted, drop its gauges."""
    multiprocess.worker_exited(worker.pid)


def on_exit(_: Arbiter) -> None:
    """Remove the shared folder."""
    multiprocess.close_directory()
