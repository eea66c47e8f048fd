"""What the environment says about the services that the gateway calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from stack.environment import number, read, secret, text, url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses, the model and its key; times in seconds."""

    retrieval_url: str = "http://127.0.0.1:8001"
    llm_base_url: str = "http://127.0.0.1:8002"
    llm_model: str = "extractive-1"
    llm_api_key: str | None = field(default=None, repr=False)
    llm_timeout: float = 5.0
    breaker_timeout: float = 15.0
    jaeger_url: str = "http://127.0.0.1:16686"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `RETRIEVAL_URL`, `LLM_BASE_URL`, `LLM_MODEL`, `LLM_API_KEY_FILE`, `JAEGER_URL`.

        `LLM_TIMEOUT_SECONDS` is the time for one attempt; a large model needs more than 5.
        `BREAKER_TIMEOUT_SECONDS` is the time from an opening of a breaker to its first probe.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        default = cls()
        base = read(environ, "LLM_BASE_URL", url, default.llm_base_url)
        seconds = number(0.1, 600, "seconds")
        return cls(
            retrieval_url=read(environ, "RETRIEVAL_URL", url, default.retrieval_url),
            # Model providers write their address with /v1 or without.
            llm_base_url=base.removesuffix("/v1"),
            llm_model=read(environ, "LLM_MODEL", text(100), default.llm_model),
            llm_api_key=read(environ, "LLM_API_KEY_FILE", secret, "") or None,
            llm_timeout=read(environ, "LLM_TIMEOUT_SECONDS", seconds, default.llm_timeout),
            breaker_timeout=read(
                environ, "BREAKER_TIMEOUT_SECONDS", seconds, default.breaker_timeout
            ),
            jaeger_url=read(environ, "JAEGER_URL", url, default.jaeger_url),
        )
