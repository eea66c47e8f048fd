"""Prometheus, Alertmanager and Jaeger as containers for your tests: docs/testing.md.

with PrometheusContainer().with_scrape_target(f"{HOST}:8000") as prometheus:
    eventually(lambda: prometheus.query("up == 1"), "the service is scraped")
"""

try:
    import testcontainers.core  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"stack.testing needs testcontainers ({error}): pip install 'stack[testing]'",
        name=error.name,
    ) from error

from stack.testing.alertmanager import AlertmanagerContainer
from stack.testing.jaeger import JaegerContainer
from stack.testing.prometheus import PrometheusContainer
from stack.testing.reaper import without_reaper_if_missing
from stack.testing.server import HOST
from stack.testing.waiting import eventually

__all__ = [
    "HOST",
    "AlertmanagerContainer",
    "JaegerContainer",
    "PrometheusContainer",
    "eventually",
    "without_reaper_if_missing",
]
