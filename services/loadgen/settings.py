"""What the environment says about the load."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from stack.errors import ConfigurationError

MAX_USERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the load goes, how much of it, and for how long.

    Args:
        gateway_url: the service that is asked.
        rate: requests per second; never exceeded.
        duration: seconds until the end; 0 for no end.
        metrics_port: where `/metrics` and `/healthz` are; 0 for any free one.
        metrics_host: the address that they are bound to.
    """

    gateway_url: str = "http://127.0.0.1:8000"
    rate: float = 1.0
    duration: float = 0.0
    metrics_port: int = 9646
    metrics_host: str = "127.0.0.1"

    @property
    def users(self) -> int:
        """How many requests may wait for an answer at once; a slow gateway is not piled upon."""
        return min(MAX_USERS, max(1, math.ceil(self.rate)))

    @property
    def rate_per_user(self) -> float:
        """Requests per second of each user."""
        return self.rate / self.users

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `GATEWAY_URL`, `RATE`, `DURATION`, `METRICS_PORT` and `HOST`.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        default = cls()
        return cls(
            gateway_url=_url(environ, "GATEWAY_URL", default.gateway_url),
            rate=_number(environ, "RATE", default.rate, 0.1, 200),
            duration=_number(environ, "DURATION", default.duration, 0, 31_536_000),
            metrics_port=_port(environ, "METRICS_PORT", default.metrics_port),
            metrics_host=environ.get("HOST") or default.metrics_host,
        )


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    raw = environ.get(name) or default
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(name, raw, "an http:// or https:// URL with a host")
    return raw.rstrip("/")


def _number(
    environ: Mapping[str, str], name: str, default: float, low: float, high: float
) -> float:
    raw = environ.get(name) or str(default)
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ConfigurationError(name, raw, f"a number from {low:g} to {high:.0f}")
    return value


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    raw = environ.get(name) or str(default)
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 5 and int(raw) <= 65_535):
        raise ConfigurationError(name, raw, "a port from 0 to 65535")
    return int(raw)
