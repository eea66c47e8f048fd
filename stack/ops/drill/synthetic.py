"""Series as components would have them in trouble, where that cannot be caused without harm.

Those of a stack of pairs are here, too: one machine has none of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Whose they are: a page keeps back the tickets of its service.
TICKETS, PAGES = "drill", "drill-page"
_RISING = "time()"


def in_trouble() -> Iterator[dict[str, Any]]:
    """Yield a recording rule for each series."""
    yield _series("scrape_samples_post_metric_relabeling", "25000")
    yield from _prometheus()
    yield from _jaeger()
    yield _series("grafana_http_request_duration_seconds_count", _RISING, status_code="500")
    yield from _balancer()
    yield from _thanos()


def _prometheus() -> Iterator[dict[str, Any]]:
    for what in (
        "compactions_failed",
        "head_truncations_failed",
        "reloads_failures",
        "wal_corruptions",
        "wal_writes_failed",
    ):
        yield _series(f"prometheus_tsdb_{what}_total", _RISING)


def _jaeger() -> Iterator[dict[str, Any]]:
    """Half of the spans are refused, and none of those that wait is stored."""
    yield _series("otelcol_receiver_refused_spans_total", _RISING)
    yield _series("otelcol_receiver_accepted_spans_total", _RISING)
    yield _series("otelcol_exporter_send_failed_spans_total", "0")
    yield _series("otelcol_exporter_queue_size", "1000")
    yield _series("otelcol_exporter_sent_spans_total", "0")


def _balancer() -> Iterator[dict[str, Any]]:
    """No request finds anybody."""
    yield _series("caddy_http_requests_total", _RISING, PAGES)
    yield _series("caddy_http_request_errors_total", _RISING, PAGES)


def _thanos() -> Iterator[dict[str, Any]]:
    """Each part fails at what it is for."""
    yield _series("thanos_bucket_store_blocks_loaded", "1")
    yield _series("thanos_query_concurrent_gate_queries_max", "20")
    yield _series("thanos_shipper_upload_failures_total", _RISING)
    yield _series("thanos_shipper_dir_sync_failures_total", "0")
    yield _series("thanos_shipper_uploads_total", "0")
    yield _series("thanos_objstore_bucket_operations_total", _RISING)
    yield _series("thanos_objstore_bucket_operation_failures_total", _RISING)
    yield _series("thanos_compact_halted", "1")
    yield _series("thanos_alert_sender_alerts_dropped_total", _RISING, PAGES)
    yield _series("thanos_alert_queue_alerts_dropped_total", "0", PAGES)


def _series(name: str, expr: str, service: str = TICKETS, **labels: str) -> dict[str, Any]:
    return {
        "record": name,
        "expr": f"vector({expr})",
        "labels": {"job": "drill", "instance": "drill", "service": service, **labels},
    }
