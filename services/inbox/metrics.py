"""The series of this service beside those that every instrumented service has."""

from prometheus_client import Counter, Gauge, Histogram

from services.inbox.errors import REASONS
from services.inbox.keeping import Delivery

RECEIVED = Counter(
    "alerts_received_total",
    "Alerts received, repetitions included.",
    ("alertname", "status", "severity"),
)
DELAY = Histogram(
    "alert_delivery_delay_seconds",
    "Time from an alert's start, or its end when it is resolved, to its first arrival here.",
    ("alertname", "status", "severity"),
    buckets=(0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
)
WATCHDOG_SEEN = Gauge(
    "inbox_watchdog_last_seen_timestamp_seconds",
    "When the alert that always fires arrived last; 0 for never.",
    multiprocess_mode="max",
)
STORE_ERRORS = Counter(
    "inbox_store_errors_total",
    "Requests that failed because the database could not be used, by reason.",
    ("reason",),
)
for _reason in REASONS:
    STORE_ERRORS.labels(_reason)

# Names come from outside; past this many a further one is counted as `other`.
_MAX_NAMES = 200
_names: set[str] = set()


def record(delivery: Delivery) -> None:
    """Count an alert, and time it when its state is new and says when it began."""
    alert = delivery.alert
    labels = (_bounded(alert.name), alert.status, _bounded(alert.labels.get("severity", "")))
    RECEIVED.labels(*labels).inc()
    if delivery.delay is not None:
        DELAY.labels(*labels).observe(delivery.delay)


def _bounded(name: str) -> str:
    if name not in _names:
        if len(_names) >= _MAX_NAMES or len(name) > 100:
            return "other"
        _names.add(name)
    return name
