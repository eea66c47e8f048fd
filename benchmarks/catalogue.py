"""The benchmarks in the order in which they are shown."""

NAMES = (
    "metric_record",
    "metrics_export",
    "trace_spans",
    "jaeger_export",
    "breaker_call",
    "threads_record",
    "threads_trace",
    "memory",
    "tail_latency",
    "flask_request",
    "log_line",
)
