"""Environment variables, read once into one frozen object.

`STACK_*` are this library's own; `OTEL_*` have the meaning of the OpenTelemetry specification
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
A value that cannot be used stops the start with a `ConfigurationError` that names the variable,
what it holds and what is allowed. The defaults are the fields' defaults below.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from stack.environment import (
    InvalidValueError,
    Parser,
    T,
    choice,
    integer,
    number,
    read,
    secret,
    switch,
    text,
    url,
)
from stack.errors import ConfigurationError

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
# Bounds of a span that the SDK reads by itself, when its provider is made.
SDK_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says; immutable, safe to share between threads and forks.

    Sizes count spans, times are seconds, ratios lie in 0–1. `log_max_repeats` counts lines of one
    kind in one second; 0 is no limit.
    """

    service_name: str = "unknown_service"
    service_version: str = "0.0.0"
    resource_attributes: Mapping[str, str] = field(default_factory=dict)

    log_level: str = "info"
    log_max_repeats: int = 0
    metrics_token: str | None = field(default=None, repr=False)
    faults_enabled: bool = False
    faults_token: str | None = field(default=None, repr=False)

    sdk_disabled: bool = False
    traces_exporter: str = "otlp"
    traces_endpoint: str = "http://localhost:4318/v1/traces"
    traces_timeout: float = 5.0
    traces_sampler: str = "parentbased_always_on"
    traces_sampler_ratio: float = 1.0
    span_queue_size: int = 2048
    span_batch_size: int = 512
    span_schedule_delay: float = 1.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Args:
            environ: variables to read; the process's own when not given.

        Raises:
            ConfigurationError: a variable holds something that cannot be used.
        """
        env = os.environ if environ is None else environ
        resource = _pairs(env, "OTEL_RESOURCE_ATTRIBUTES")
        queue = read(env, "OTEL_BSP_MAX_QUEUE_SIZE", integer(1, 1_000_000), 2048)
        batch = read(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", integer(1, queue), min(512, queue))
        _check_what_the_sdk_reads(env)
        return cls(
            service_name=read(env, "OTEL_SERVICE_NAME", text(), "")
            or resource.get("service.name", "unknown_service"),
            service_version=read(env, "STACK_SERVICE_VERSION", text(), "")
            or resource.get("service.version", "0.0.0"),
            resource_attributes=resource,
            log_level=read(env, "STACK_LOG_LEVEL", choice(*LOG_LEVELS), "info"),
            log_max_repeats=read(env, "STACK_LOG_MAX_REPEATS", integer(0, 1_000_000), 0),
            metrics_token=read(env, "STACK_METRICS_TOKEN_FILE", secret, "") or None,
            faults_enabled=read(env, "STACK_FAULTS", switch, False),
            faults_token=read(env, "STACK_FAULTS_TOKEN_FILE", secret, "") or None,
            sdk_disabled=read(env, "OTEL_SDK_DISABLED", switch, False),
            traces_exporter=read(env, "OTEL_TRACES_EXPORTER", choice("otlp", "none"), "otlp"),
            traces_endpoint=_traces_endpoint(env),
            traces_timeout=_of_traces(env, "TIMEOUT", _milliseconds, 5.0),
            traces_sampler=read(
                env, "OTEL_TRACES_SAMPLER", choice(*SAMPLERS), "parentbased_always_on"
            ),
            traces_sampler_ratio=read(env, "OTEL_TRACES_SAMPLER_ARG", number(0, 1, "a ratio"), 1.0),
            span_queue_size=queue,
            span_batch_size=batch,
            span_schedule_delay=read(env, "OTEL_BSP_SCHEDULE_DELAY", _milliseconds, 1.0),
        )


def _check_what_the_sdk_reads(env: Mapping[str, str]) -> None:
    """Refuse what the SDK would not understand, or would ignore without a word."""
    _of_traces(env, "PROTOCOL", choice("http/protobuf"), "http/protobuf")
    for name in SDK_LIMITS:
        read(env, name, integer(0, 2**31 - 1), None)


def _of_traces(env: Mapping[str, str], option: str, parse: Parser[T], default: T) -> T:
    """Prefer an exporter option's variable for traces to the one for all signals."""
    general = read(env, f"OTEL_EXPORTER_OTLP_{option}", parse, default)
    return read(env, f"OTEL_EXPORTER_OTLP_TRACES_{option}", parse, general)


def _milliseconds(raw: str) -> float:
    """OpenTelemetry gives times in milliseconds; everything here is in seconds."""
    try:
        return integer(1, 600_000)(raw) / 1000
    except InvalidValueError as refused:
        raise InvalidValueError(f"{refused} (milliseconds)") from None


def _pairs(env: Mapping[str, str], name: str) -> dict[str, str]:
    """Parse `key=value,key=value` with percent-encoded values."""
    pairs: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in env.get(name, "").split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(name, part, "a list of key=value pairs with commas between")
        pairs[key.strip()] = unquote(value.strip())
    return pairs


def _traces_endpoint(env: Mapping[str, str]) -> str:
    """Prefer the signal's own variable, a whole URL, to the general one, a base without path."""
    default = "http://localhost:4318"
    base = read(env, "OTEL_EXPORTER_OTLP_ENDPOINT", url, default).rstrip("/")
    return read(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url, f"{base}/v1/traces")
