"""An instrumented Flask application measures, traces and logs its own work, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

import stack
from stack.web import fault_state
from stack.web.fault import Fault
from stack.web.faults import inject_faults

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Client(FlaskClient):
    """Reads responses to their end, as a server does."""

    def open(self, *arguments: Any, buffered: bool = True, **options: Any) -> TestResponse:
        return super().open(*arguments, buffered=buffered, **options)


@pytest.fixture
def client(spans: InMemorySpanExporter) -> FlaskClient:
    app = Flask(__name__)
    app.test_client_class = Client
    stack.instrument(app, service="test", readiness={"database": lambda: None})

    @app.get("/items/<int:item>")
    def item(item: int) -> str:
        return f"item {item}"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("out of order")

    @app.get("/stream")
    def stream() -> Iterator[str]:
        current = trace.get_current_span().get_span_context().trace_id

        def chunks() -> Iterator[str]:
            for _ in range(2):
                yield f"{current == trace.get_current_span().get_span_context().trace_id} "

        return chunks()

    return app.test_client()


def count(method: str, route: str, status: str) -> float:
    labels = {
        "http_request_method": method,
        "http_route": route,
        "http_response_status_code": status,
    }
    return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0.0


def test_a_request_counts_under_its_route(client: FlaskClient) -> None:
    """The label is the template, never the raw path."""
    before = count("GET", "/items/<int:item>", "200")
    client.get("/items/1")
    client.get("/items/2?token=secret")
    assert count("GET", "/items/<int:item>", "200") == before + 2


def test_unknown_paths_and_methods_make_no_new_labels(client: FlaskClient) -> None:
    """What anybody can send is counted under one name."""
    paths, methods = count("GET", "unmatched", "404"), count("_OTHER", "unmatched", "404")
    client.get("/nope/1")
    client.get("/nope/2")
    client.open("/nope", method="BREW")
    assert count("GET", "unmatched", "404") == paths + 2
    assert count("_OTHER", "unmatched", "404") == methods + 1


def test_the_span_continues_the_callers_trace(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """A server span has the caller's trace id and the route as its name, and no query."""
    client.get("/items/1?token=secret", headers={"traceparent": TRACEPARENT})
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /items/<int:item>"
    assert f"{span.context.trace_id:032x}" == TRACEPARENT.split("-")[1]
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == TRACEPARENT.split("-")[2]
    assert "secret" not in str(span.attributes)


@pytest.mark.parametrize("header", ["", "00-xyz", "\xff" * 50, "00-" + "0" * 32 + "-1-01"])
def test_a_damaged_traceparent_starts_a_new_trace(
    client: FlaskClient, spans: InMemorySpanExporter, header: str
) -> None:
    """Any header is survived."""
    assert client.get("/items/1", headers={"traceparent": header}).status_code == 200
    assert spans.get_finished_spans()[0].parent is None


def test_a_crash_is_a_500_with_the_exception_on_the_span(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """An exception shows in the status, the span and the counter."""
    before = count("GET", "/broken", "500")
    assert client.get("/broken").status_code == 500
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RuntimeError"
    assert span.events[0].name == "exception"
    assert count("GET", "/broken", "500") == before + 1


def test_a_stream_keeps_its_span_to_the_last_byte(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """While the body streams its span is the current one; it ends with the stream."""
    response = client.get("/stream", buffered=False)
    assert spans.get_finished_spans() == ()
    assert response.text == "True True "
    assert len(spans.get_finished_spans()) == 1


def test_a_stream_that_its_reader_leaves_ends_where_it_began(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """Closing it closes what it streams from, in the request's own context, without an error."""
    upstream = stack.HttpClient(
        "left-early",
        base_url="http://upstream",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"ok")),
    )

    def chunks() -> Iterator[bytes]:
        with stack.LogContext(part=1), upstream.stream("GET", "/"):
            yield b"1"
            yield b"2"

    client.application.add_url_rule("/relay", view_func=chunks)
    before = count("GET", "/relay", "200")
    response = client.get("/relay", buffered=False)
    assert next(response.iter_encoded()) == b"1"
    response.close()
    assert count("GET", "/relay", "200") == before + 1
    outgoing, incoming = spans.get_finished_spans()
    assert outgoing.parent is not None
    assert outgoing.parent.span_id == incoming.context.span_id
    assert outgoing.status.status_code is not StatusCode.ERROR
    breaker = stack.get_all_circuit_breaker_stats()["left-early"]
    assert breaker.failures == 0


def test_a_stream_whose_end_fails_has_failed(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    """What goes wrong while it is closed is on its span, even an exception without text."""

    class Hostile(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no")

    def chunks() -> Iterator[bytes]:
        try:
            yield b"1"
        finally:
            raise Hostile

    client.application.add_url_rule("/bad-end", view_func=chunks)
    response = client.get("/bad-end", buffered=False)
    next(response.iter_encoded())
    with pytest.raises(Hostile):
        response.close()
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["http.response.status_code"] == 500
    assert (span.events[0].attributes or {})["exception.message"] == "[Hostile without text]"


def test_every_request_is_one_log_line_with_its_ids(
    client: FlaskClient, spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log line names the trace, the request and how it went."""
    client.get("/items/1", headers={"X-Request-ID": "abc-1"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [each for each in lines if each.get("event_type") == "http_request"]
    context = spans.get_finished_spans()[0].context
    assert context is not None
    assert line["trace_id"] == f"{context.trace_id:032x}"
    assert line["request_id"] == "abc-1"
    assert line["http_response_status_code"] == 200
    assert line["duration_ms"] >= 0


def test_a_hostile_request_id_is_replaced(client: FlaskClient) -> None:
    """Only a harmless id is echoed."""
    assert client.get("/items/1", headers={"X-Request-ID": "abc"}).headers["X-Request-ID"] == "abc"
    answer = client.get("/items/1", headers={"X-Request-ID": "<script>"})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_openmetrics_carries_the_exemplar(client: FlaskClient, spans: InMemorySpanExporter) -> None:
    """A scraper that asks for OpenMetrics finds the trace of a request in its bucket."""
    client.get("/items/7")
    context = spans.get_finished_spans()[0].context
    assert context is not None
    text = client.get("/metrics", headers=OPENMETRICS).text
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar
    }
    assert f"{context.trace_id:032x}" in exemplars


def test_watching_is_not_measured(client: FlaskClient, spans: InMemorySpanExporter) -> None:
    """Scrapes and probes make no spans and no request metrics."""
    for path in ("/metrics", "/healthz", "/readyz"):
        assert client.get(path).status_code == 200
        assert count("GET", path, "200") == 0
    assert spans.get_finished_spans() == ()


def test_instrumenting_twice_changes_nothing(spans: InMemorySpanExporter) -> None:
    """A request is counted once however often the application was instrumented."""
    app = Flask(__name__)
    app.test_client_class = Client
    app.add_url_rule("/once", view_func=lambda: "ok")
    for _ in range(3):
        stack.instrument(app, service="test")
    app.test_client().get("/once")
    assert len(spans.get_finished_spans()) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "shown"),
    [(None, 200, "ok"), (True, 200, "ok"), (False, 503, "failed"), ("disk full", 503, "disk full")],
)
def test_readiness_says_what_is_wrong(
    spans: InMemorySpanExporter, outcome: bool | str | None, status: int, shown: str
) -> None:
    """A check that fails makes the service not ready and shows why; it stays healthy."""
    app = Flask(__name__)
    app.test_client_class = Client
    stack.instrument(app, service="test", readiness={"database": lambda: outcome})
    answer = app.test_client().get("/readyz")
    assert answer.status_code == status
    assert answer.get_json()["checks"] == {"database": shown}
    assert app.test_client().get("/healthz").status_code == 200


def test_what_a_fault_answers_is_measured_under_its_route(client: FlaskClient) -> None:
    """An injected error counts as one of the route that was asked for, as a real one does."""
    inject_faults(client.application, ())
    fault_state.switch_on(Fault("error", status=503, path="/items", ends_at=time.time() + 60))
    before = count("GET", "/items/<int:item>", "503")
    try:
        assert client.get("/items/7").status_code == 503
    finally:
        fault_state.end_all()
    assert count("GET", "/items/<int:item>", "503") == before + 1
