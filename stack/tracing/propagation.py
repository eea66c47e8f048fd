"""How trace context goes from service to service: what `OTEL_PROPAGATORS` names.

OpenTelemetry reads it while it is imported, so a wrong one stops the import of `stack`.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points

from stack.errors import ConfigurationError

_VARIABLE = "OTEL_PROPAGATORS"

try:
    from opentelemetry.propagate import extract
except ValueError:
    names = sorted(
        {"none"} | {each.name for each in entry_points(group="opentelemetry_propagator")}
    )
    raise ConfigurationError(
        _VARIABLE, os.environ.get(_VARIABLE), f"a list, with commas between, of {', '.join(names)}"
    ) from None

__all__ = ["extract"]
