"""What the environment says about the services that the gateway calls."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stack.errors import ConfigurationError


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
        return cls(
            retrieval_url=_url(environ, "RETRIEVAL_URL", default.retrieval_url),
            # Model providers write their address with /v1 or without.
            llm_base_url=_url(environ, "LLM_BASE_URL", default.llm_base_url).removesuffix("/v1"),
            llm_model=_name(environ, "LLM_MODEL", default.llm_model),
            llm_api_key=_secret(environ, "LLM_API_KEY_FILE"),
            llm_timeout=_seconds(environ, "LLM_TIMEOUT_SECONDS", default.llm_timeout),
            breaker_timeout=_seconds(environ, "BREAKER_TIMEOUT_SECONDS", default.breaker_timeout),
            jaeger_url=_url(environ, "JAEGER_URL", default.jaeger_url),
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


def _name(environ: Mapping[str, str], name: str, default: str) -> str:
    raw = environ.get(name) or default
    if len(raw) > 100 or not raw.isprintable():
        raise ConfigurationError(name, raw[:100], "printable text of at most 100 characters")
    return raw


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    raw = environ.get(name) or str(default)
    try:
        seconds = float(raw)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 600:
        raise ConfigurationError(name, raw, "seconds from 0.1 to 600")
    return seconds


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    path = environ.get(name)
    if not path:
        return None
    try:
        secret = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(name, path, f"the path of a readable file ({error})") from None
    if not secret or not secret.isprintable():
        raise ConfigurationError(name, path, "the path of a file that holds one line with the key")
    return secret
