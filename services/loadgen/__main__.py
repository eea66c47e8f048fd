"""Runs the load without locust's own pages: `python -m services.loadgen`."""

from __future__ import annotations

import signal
import sys

# Locust makes the standard library cooperative when it is imported, so it comes first.
import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]
from gevent.pywsgi import WSGIServer  # type: ignore[import-untyped]
from locust.env import Environment

from services.loadgen import metrics
from services.loadgen.settings import Settings
from stack.errors import ConfigurationError
from stack.logs import configure, get_logger

_log = get_logger("loadgen")


def main() -> int:
    """Send requests until the time is over or the process is told to end.

    Returns:
        The process's exit status.
    """
    configure("loadgen", "info")
    try:
        settings = Settings.from_env()
        server = WSGIServer((settings.metrics_host, settings.metrics_port), metrics.web, log=None)
        server.start()
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"loadgen: {error}\n")
        return 2
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    _send(settings, server.server_port, stopped)
    server.stop(timeout=1)
    return 0


def _send(settings: Settings, metrics_port: int, stopped: Event) -> None:
    """Keep the users asking until `stopped` is set or the duration is over."""
    metrics.TARGET_RATE.set(settings.rate)
    if not settings.rate:
        _log.info("no load is asked for", event_type="load_off")
        stopped.wait(settings.duration or None)
        return
    from services.loadgen.locustfile import Asker

    runner = Environment(user_classes=[Asker], host=settings.gateway_url).create_local_runner()
    runner.start(settings.users, spawn_rate=settings.users)
    _log.info(
        "load started",
        event_type="load_started",
        rate=settings.rate,
        users=settings.users,
        duration_seconds=settings.duration,
        metrics_port=metrics_port,
    )
    stopped.wait(settings.duration or None)
    runner.quit()
    total = runner.stats.total
    _log.info(
        "load ended",
        event_type="load_ended",
        requests=total.num_requests,
        failures=total.num_failures,
    )


if __name__ == "__main__":
    sys.exit(main())
