"""The series of this service beside those that every instrumented service has.

Names and buckets: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from prometheus_client import Histogram

SERVER_DURATION = Histogram(
    "gen_ai_server_request_duration_seconds",
    "Time from a request to the last token of its answer.",
    ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"),
    buckets=(
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28),
        *(2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    ),
)
