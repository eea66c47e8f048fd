"""Environment variables become settings, or a message that says what to mend."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from stack.errors import ConfigurationError
from stack.settings import Settings


def test_defaults_need_no_environment() -> None:
    """An empty environment gives the documented defaults."""
    assert Settings.from_env({}) == Settings()


def test_empty_means_unset() -> None:
    """The specification asks to treat an empty variable as an unset one."""
    assert Settings.from_env({"OTEL_TRACES_SAMPLER": "", "STACK_LOG_LEVEL": " "}) == Settings()


def test_settings_are_frozen() -> None:
    """Nothing changes the settings after the start."""
    with pytest.raises(FrozenInstanceError):
        Settings().log_level = "debug"  # type: ignore[misc]


def test_values_are_read_in_their_units(tmp_path: Path) -> None:
    """Milliseconds become seconds, files become secrets, a base URL gets the signal's path."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    settings = Settings.from_env(
        {
            "OTEL_SERVICE_NAME": "orders",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318/",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod, team=a%20b",
            "STACK_METRICS_TOKEN_FILE": str(token),
            "STACK_FAULTS": "On",
        }
    )
    assert settings.service_name == "orders"
    assert settings.span_schedule_delay == 0.25
    assert settings.traces_endpoint == "http://jaeger:4318/v1/traces"
    assert settings.resource_attributes == {"deployment.environment.name": "prod", "team": "a b"}
    assert settings.metrics_token == "s3cret"
    assert settings.faults_enabled


def test_a_small_queue_makes_small_batches() -> None:
    """A batch never waits for more spans than the queue can hold."""
    assert Settings.from_env({"OTEL_BSP_MAX_QUEUE_SIZE": "100"}).span_batch_size == 100


def test_the_traces_own_timeout_comes_first() -> None:
    """Before the one of all signals, as with the endpoint."""
    both = {
        "OTEL_EXPORTER_OTLP_TIMEOUT": "9000",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "250",
    }
    assert Settings.from_env(both).traces_timeout == 0.25


def test_wrong_propagators_stop_the_import_with_what_is_allowed() -> None:
    """OpenTelemetry reads them when it is imported, so it is the first thing that is said."""
    environ = {**os.environ, "OTEL_PROPAGATORS": "tracecontext,pigeon"}
    ended = subprocess.run(
        [sys.executable, "-c", "import stack"],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "ConfigurationError: OTEL_PROPAGATORS='tracecontext,pigeon'" in ended.stderr
    assert "baggage, none, tracecontext" in ended.stderr


def test_a_secret_is_not_shown() -> None:
    """Printing the settings prints no token."""
    assert "hidden" not in repr(Settings(metrics_token="hidden", faults_token="hidden"))


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("STACK_LOG_LEVEL", "loud", "one of debug, info, warning, error, critical"),
        ("STACK_FAULTS", "maybe", "true or false"),
        ("OTEL_TRACES_SAMPLER", "coin", "one of always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "a ratio from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "a ratio from 0 to 1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number from 1 to 1000000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9999", "a whole number from 1 to 2048"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "(milliseconds)"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4318", "an http:// or https:// URL"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1", "an http:// or https:// URL"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "(milliseconds)"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "one of http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "one of http/protobuf"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "many", "a whole number from 0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "key=value pairs"),
        ("OTEL_SERVICE_NAME", "a\x00b", "printable text"),
        ("STACK_METRICS_TOKEN_FILE", "/does/not/exist", "the path of a readable text file"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    """The message names the variable, its value and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({variable: value})
    assert variable in str(caught.value)
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)
