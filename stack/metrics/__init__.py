"""Metrics: the contract's instruments, the collector of components, and gunicorn's workers."""

from stack.metrics.collector import PrometheusMetricsCollector, get_prometheus_collector
from stack.metrics.summary import MetricsSummary

__all__ = ["MetricsSummary", "PrometheusMetricsCollector", "get_prometheus_collector"]
