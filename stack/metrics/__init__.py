"""Metrics: the contract's instruments, the collector of components, and gunicorn's workers."""

from stack.metrics.collector import (
    MetricsSummary,
    PrometheusMetricsCollector,
    get_prometheus_collector,
)

__all__ = ["MetricsSummary", "PrometheusMetricsCollector", "get_prometheus_collector"]
