"""What holds for all tests, and what many of them look at: the spans that were finished."""

import os

# Nothing listens where spans would go; the whole pipeline's tests put this back.
os.environ["OTEL_TRACES_EXPORTER"] = "none"

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import stack


@pytest.fixture(scope="session")
def _exporter() -> InMemorySpanExporter:
    """The process has one tracer provider; this collects what it finishes."""
    stack.setup("test", settings=stack.Settings(traces_exporter="none"))
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def spans(_exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """Give the spans that this test finishes."""
    _exporter.clear()
    yield _exporter
    _exporter.clear()
