"""Whatever a caller sends as trace context, the request is served and traced."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import stack

# What a server lets through as a header's value: any byte but NUL and line breaks.
values = st.binary(max_size=120).map(lambda raw: raw.translate(None, b"\x00\r\n").decode("latin-1"))
hexes = st.text("0123456789abcdefABCDEFxyz-", max_size=40)
parents = values | st.builds(
    "{}-{}-{}-{}".format,
    st.sampled_from(["00", "01", "ff", "0", ""]),
    st.just("0" * 32) | st.just("af" * 16) | hexes,
    st.just("0" * 16) | st.just("b7" * 8) | hexes,
    st.sampled_from(["00", "01", "ff", "1", "zz", "01-more"]),
)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask("headers")
    stack.instrument(app, service="test")

    @app.get("/")
    def index() -> str:
        return "served"

    return app.test_client()


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parent=parents, state=values, baggage=values, request_id=values)
def test_any_header_is_survived(
    client: FlaskClient,
    spans: InMemorySpanExporter,
    *,
    parent: str,
    state: str,
    baggage: str,
    request_id: str,
) -> None:
    spans.clear()
    response = client.get(
        "/",
        headers={
            "traceparent": parent,
            "tracestate": state,
            "baggage": baggage,
            "X-Request-ID": request_id,
        },
        buffered=True,
    )
    assert (response.status_code, response.text) == (200, "served")
    given_back = response.headers["X-Request-ID"]
    assert given_back.replace("-", "").isalnum()
    assert len(given_back) <= 128
    # A caller that does not sample is respected; only "…-00" and its like can mean that.
    for span in spans.get_finished_spans():
        assert span.context is not None
        assert span.context.is_valid
        if span.parent is not None:
            assert f"{span.parent.trace_id:032x}" in parent.lower()
            assert f"{span.parent.span_id:016x}" in parent.lower()
    if not spans.get_finished_spans():
        assert int(parent.split("-")[3][:2], 16) % 2 == 0
