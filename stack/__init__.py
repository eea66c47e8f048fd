"""Metrics, traces, logs and circuit breakers for Python services.

app = Flask(__name__)
stack.instrument(app, service="orders")
payments = stack.HttpClient("payments", base_url="http://payments:8000", timeout=2.0)
"""

from stack.breaker import (
    CircuitBreaker,
    CircuitState,
    LLMCircuitBreaker,
    get_all_circuit_breaker_stats,
    get_circuit_breaker,
    reset_all_circuit_breakers,
)
from stack.debug import export_debug_state
from stack.errors import (
    CallBudgetExceededError,
    CircuitBreakerConfigError,
    CircuitBreakerOpenError,
    ConfigurationError,
    StackError,
)
from stack.http import AsyncHttpClient, HttpClient
from stack.logs import (
    LogContext,
    LogPerformance,
    clear_context,
    filter_logs,
    get_current_context,
    get_logger,
    log_error,
    log_event,
    log_mcp_tool,
    log_performance,
    parse_json_log_file,
    set_context,
)
from stack.metrics import PrometheusMetricsCollector, get_prometheus_collector
from stack.runtime import Runtime, get_otel_tracer, setup, setup_otel_tracer
from stack.settings import Settings
from stack.web.flask import instrument

__all__ = [
    "AsyncHttpClient",
    "CallBudgetExceededError",
    "CircuitBreaker",
    "CircuitBreakerConfigError",
    "CircuitBreakerOpenError",
    "CircuitState",
    "ConfigurationError",
    "HttpClient",
    "LLMCircuitBreaker",
    "LogContext",
    "LogPerformance",
    "PrometheusMetricsCollector",
    "Runtime",
    "Settings",
    "StackError",
    "clear_context",
    "export_debug_state",
    "filter_logs",
    "get_all_circuit_breaker_stats",
    "get_circuit_breaker",
    "get_current_context",
    "get_logger",
    "get_otel_tracer",
    "get_prometheus_collector",
    "instrument",
    "log_error",
    "log_event",
    "log_mcp_tool",
    "log_performance",
    "parse_json_log_file",
    "reset_all_circuit_breakers",
    "set_context",
    "setup",
    "setup_otel_tracer",
]
