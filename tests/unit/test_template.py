"""template greets, and counts, logs and traces what its contract says."""

from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from services.template.app import create_app

SERVICE = Path(__file__).parents[2] / "services" / "template"
CONTRACT = yaml.safe_load((SERVICE / "telemetry.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def client(spans: InMemorySpanExporter) -> FlaskClient:
    client = create_app().test_client()
    spans.clear()
    return client


def counted(metric: str, language: str) -> float:
    return REGISTRY.get_sample_value(metric, {"language": language}) or 0.0


def test_it_greets(client: FlaskClient) -> None:
    """By name, and in the language asked for."""
    assert client.get("/hello").get_json() == {"greeting": "Hello, world!"}
    answer = client.get("/hello", query_string={"name": "Ada", "language": "fr"})
    assert answer.get_json() == {"greeting": "Bonjour, Ada!"}


def test_an_unknown_language_is_named_with_the_mend(client: FlaskClient) -> None:
    """The message says the field, its value and what would be right."""
    answer = client.get("/hello?language=xx")
    assert answer.status_code == 400
    assert answer.get_json() == {"error": "language='xx' must be one of en, fr, id"}


def test_it_is_ready_and_has_metrics(client: FlaskClient) -> None:
    """What the health check and Prometheus ask for."""
    assert client.get("/readyz").status_code == 200
    client.get("/hello")
    assert 'http_route="/hello"' in client.get("/metrics").text


def test_a_greeting_leaves_what_the_contract_says(
    client: FlaskClient, spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    """A count, a span inside that of the request, a line in the log."""
    (metric,) = (each["name"] for each in CONTRACT["metrics"])
    before = counted(metric, "en")
    # The request's span ends with its answer.
    client.get("/hello").close()
    assert counted(metric, "en") == before + 1
    inner, request = spans.get_finished_spans()
    assert [inner.name] == [each["name"] for each in CONTRACT["spans"]]
    assert request.name == "GET /hello"
    assert inner.parent is not None
    assert inner.parent.span_id == request.context.span_id
    log = capsys.readouterr().out
    assert all(f'"event_type":"{each}"' in log for each in CONTRACT["log_events"])
