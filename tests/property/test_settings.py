"""Any environment gives usable settings, or an error that names the variable at fault."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.errors import ConfigurationError
from stack.settings import LOG_LEVELS, SAMPLERS, Settings

VARIABLES = (
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "STACK_SERVICE_VERSION",
    "STACK_LOG_LEVEL",
    "STACK_LOG_MAX_REPEATS",
    "STACK_FAULTS",
    "STACK_FAULTS_TOKEN_FILE",
    "STACK_METRICS_TOKEN_FILE",
)
values = (
    st.text(max_size=30)
    | st.integers(-10, 2**40).map(str)
    # Such as make a queue, of which some are smaller than a batch is when nothing is said.
    | st.integers(1, 2000).map(str)
    | st.floats().map(str)
    | st.sampled_from(
        ["", " ", "true", "0", "none", "otlp", "http://h:1", "http://h:99999", "https://[", "a=b,c"]
    )
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(VARIABLES), values))
def test_settings_are_usable_or_refused_by_name(environ: dict[str, str]) -> None:
    refused = None
    try:
        found = Settings.from_env(environ)
    except ConfigurationError as error:
        refused = error
    if refused is not None:
        assert refused.name in environ
        assert str(refused).startswith(f"{refused.name}=")
        assert "must be" in str(refused)
        return
    assert found.log_level in LOG_LEVELS
    assert found.traces_sampler in SAMPLERS
    assert 0 <= found.traces_sampler_ratio <= 1
    assert 1 <= found.span_batch_size <= found.span_queue_size
    assert found.traces_timeout > 0
    assert found.span_schedule_delay > 0
    assert found.log_max_repeats >= 0
    assert found.traces_endpoint.startswith(("http://", "https://"))
    assert found.service_name
