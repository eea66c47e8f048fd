"""The series of this service beside those that every instrumented service has.

The `gen_ai` names and buckets: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from prometheus_client import Counter, Histogram

ANSWERS = Counter(
    "gateway_answers_total",
    "Questions by how they were answered: model, passages (degraded), nothing_found, unavailable.",
    ("outcome",),
)
OPERATION_DURATION = Histogram(
    "gen_ai_client_operation_duration_seconds",
    "Time of one call of the model as the caller sees it, retries included.",
    ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"),
    buckets=(
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28),
        *(2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    ),
)
TOKEN_USAGE = Histogram(
    "gen_ai_client_token_usage",
    "Tokens that one call of the model took in or gave out.",
    ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"),
    buckets=tuple(4**power for power in range(14)),
)
for _outcome in ("model", "passages", "nothing_found", "unavailable"):
    ANSWERS.labels(_outcome)
