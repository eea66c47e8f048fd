"""What the environment says about the load."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from stack.environment import integer, number, read, text, url

MAX_USERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the load goes, how much of it, and for how long.

    Args:
        gateway_url: the service that is asked.
        rate: requests per second; never exceeded; 0 for none, which can still be scraped.
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
            gateway_url=read(environ, "GATEWAY_URL", url, default.gateway_url),
            rate=read(environ, "RATE", number(0, 200), default.rate),
            duration=read(environ, "DURATION", number(0, 31_536_000), default.duration),
            metrics_port=read(environ, "METRICS_PORT", integer(0, 65_535), default.metrics_port),
            metrics_host=read(environ, "HOST", text(), default.metrics_host),
        )
