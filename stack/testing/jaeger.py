"""Jaeger for a test: it takes spans over OTLP and gives the traces back."""

from __future__ import annotations

from typing import Any

import httpx

from stack.testing.server import ServerContainer
from stack.testing.waiting import Answering

_OTLP_HTTP = 4318
_HEALTH = 13133


class JaegerContainer(ServerContainer):
    """A Jaeger with its built-in configuration: all that it knows is in memory.

    with JaegerContainer() as jaeger:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.otlp_endpoint)

    Args:
        image: which one; if not given, what `JAEGER_IMAGE` names, else the official one.
        options: those of `DockerContainer`.
    """

    IMAGE = "jaegertracing/jaeger:2.20.0"
    IMAGE_VARIABLE = "JAEGER_IMAGE"
    PORT = 16686

    def __init__(self, image: str | None = None, **options: Any) -> None:
        # Healthy when it takes spans, not only when it answers queries.
        super().__init__(image, Answering(_HEALTH, "/status"), **options)
        self.with_exposed_ports(_OTLP_HTTP, _HEALTH)
        # The official image has it set; in others the servers would listen on loopback.
        self.with_env("JAEGER_LISTEN_HOST", "0.0.0.0")  # noqa: S104 -- inside the container

    @property
    def otlp_endpoint(self) -> str:
        """Where the test sends spans: a value for `OTEL_EXPORTER_OTLP_ENDPOINT`, over HTTP.

        Another container in its network sends them to its alias, port 4318.
        """
        return self._address(_OTLP_HTTP)

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return a trace in Jaeger's JSON, with what has arrived of it.

        Args:
            trace_id: 32 hexadecimal digits.

        Returns:
            None as long as none of its spans has arrived.

        Raises:
            httpx.HTTPStatusError: it refuses the id; the message has its reason.
        """
        try:
            answer = self._ask("GET", f"/api/traces/{trace_id}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise
        found: list[dict[str, Any]] = answer.json()["data"]
        return found[0] if found else None

    def services(self) -> list[str]:
        """List the services that it has spans of."""
        return self._ask("GET", "/api/services").json()["data"] or []
