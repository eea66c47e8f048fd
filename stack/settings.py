"""Environment variables, read once into one frozen object.

`STACK_*` are this library's own; `OTEL_*` have the meaning of the OpenTelemetry specification
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
A value that cannot be used stops the start with a `ConfigurationError` that names the variable,
what it holds and what is allowed. The defaults are the fields' defaults below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from stack.errors import ConfigurationError

T = TypeVar("T")

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says; immutable, safe to share between threads and forks.

    Sizes count spans, times are seconds, ratios lie in 0–1.
    """

    service_name: str = "unknown_service"
    service_version: str = "0.0.0"
    resource_attributes: Mapping[str, str] = field(default_factory=dict)

    log_level: str = "info"
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
        queue = _read(env, "OTEL_BSP_MAX_QUEUE_SIZE", _integer(1, 1_000_000), 2048)
        batch = _read(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _integer(1, queue), min(512, queue))
        return cls(
            service_name=_read(env, "OTEL_SERVICE_NAME", _text, "")
            or resource.get("service.name", "unknown_service"),
            service_version=_read(env, "STACK_SERVICE_VERSION", _text, "")
            or resource.get("service.version", "0.0.0"),
            resource_attributes=resource,
            log_level=_read(env, "STACK_LOG_LEVEL", _choice(*LOG_LEVELS), "info"),
            metrics_token=_secret(env, "STACK_METRICS_TOKEN_FILE"),
            faults_enabled=_read(env, "STACK_FAULTS", _switch, False),
            faults_token=_secret(env, "STACK_FAULTS_TOKEN_FILE"),
            sdk_disabled=_read(env, "OTEL_SDK_DISABLED", _switch, False),
            traces_exporter=_read(env, "OTEL_TRACES_EXPORTER", _choice("otlp", "none"), "otlp"),
            traces_endpoint=_traces_endpoint(env),
            traces_timeout=_read(env, "OTEL_EXPORTER_OTLP_TIMEOUT", _milliseconds, 5.0),
            traces_sampler=_read(
                env, "OTEL_TRACES_SAMPLER", _choice(*SAMPLERS), "parentbased_always_on"
            ),
            traces_sampler_ratio=_read(env, "OTEL_TRACES_SAMPLER_ARG", _ratio, 1.0),
            span_queue_size=queue,
            span_batch_size=batch,
            span_schedule_delay=_read(env, "OTEL_BSP_SCHEDULE_DELAY", _milliseconds, 1.0),
        )


class _InvalidError(Exception):
    """What would be allowed instead."""


def _read(env: Mapping[str, str], name: str, parse: Callable[[str], T], default: T) -> T:
    """Parse one variable; unset and empty mean the default, as the specification asks."""
    raw = env.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except _InvalidError as invalid:
        raise ConfigurationError(name, raw, str(invalid)) from None


def _text(raw: str) -> str:
    if len(raw) > 255 or not raw.isprintable():
        raise _InvalidError("printable text of at most 255 characters")
    return raw


def _switch(raw: str) -> bool:
    words = {"1": True, "true": True, "on": True, "yes": True}
    words |= {"0": False, "false": False, "off": False, "no": False}
    if raw.lower() not in words:
        raise _InvalidError("true or false")
    return words[raw.lower()]


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw.lower() not in allowed:
            raise _InvalidError(f"one of {', '.join(allowed)}")
        return raw.lower()

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 9 and low <= int(raw) <= high):
            raise _InvalidError(f"a whole number from {low} to {high}")
        return int(raw)

    return parse


def _milliseconds(raw: str) -> float:
    """OpenTelemetry gives times in milliseconds; everything here is in seconds."""
    try:
        return _integer(1, 600_000)(raw) / 1000
    except _InvalidError as invalid:
        raise _InvalidError(f"{invalid} (milliseconds)") from None


def _ratio(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise _InvalidError("a ratio from 0 to 1")
    return value


def _secret(env: Mapping[str, str], name: str) -> str | None:
    """Read a secret from the file that the variable names; an empty one would be no secret."""

    def parse(raw: str) -> str:
        try:
            secret = Path(raw).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _InvalidError(f"the path of a readable text file ({error})") from None
        if not secret:
            raise _InvalidError("the path of a file that is not empty")
        return secret

    return _read(env, name, parse, "") or None


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
    base = _read(env, "OTEL_EXPORTER_OTLP_ENDPOINT", _url, default).rstrip("/")
    return _read(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _url, f"{base}/v1/traces")


def _url(raw: str) -> str:
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _InvalidError("an http:// or https:// URL with a host")
    return raw
