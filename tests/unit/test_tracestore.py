"""The trace store takes OTLP in all its forms and answers as Jaeger does."""

import gzip
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stack.errors import ConfigurationError
from stack.ops.tracestore.app import create_app
from stack.ops.tracestore.settings import Settings
from stack.ops.tracestore.store import Store
from stack.tracing.jaeger_json import spans_of, traces_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
NOW = time.time_ns()
PROTOBUF = "application/x-protobuf"


def attribute(key: str, **value: Any) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))


def request(
    *services: str, trace_id: str = TRACE, milliseconds: int = 100
) -> ExportTraceServiceRequest:
    """Make a trace that goes from one service to the next, a span each."""
    made = ExportTraceServiceRequest()
    for number, service in enumerate(services, start=1):
        resource_spans = made.resource_spans.add()
        resource_spans.resource.attributes.append(attribute("service.name", string_value=service))
        resource_spans.resource.attributes.append(attribute("host.name", string_value="h"))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "lib"
        scope_spans.spans.append(
            Span(
                trace_id=bytes.fromhex(trace_id),
                span_id=number.to_bytes(8, "big"),
                parent_span_id=(number - 1).to_bytes(8, "big") if number > 1 else b"",
                name=f"op {service}",
                kind=Span.SPAN_KIND_SERVER,
                start_time_unix_nano=NOW + number * 1000,
                end_time_unix_nano=NOW + number * 1000 + milliseconds * 1_000_000,
            )
        )
    return made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def client(database: Path) -> FlaskClient:
    return create_app(Settings(database_path=database)).test_client()


def send(client: FlaskClient, body: ExportTraceServiceRequest) -> int:
    return client.post(
        "/v1/traces", data=body.SerializeToString(), content_type=PROTOBUF
    ).status_code


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path).get_json()
    assert set(answer) == {"data", "total", "limit", "offset", "errors"}
    return answer["data"]


def as_otlp_json(body: ExportTraceServiceRequest) -> dict[str, Any]:
    """Write ids in hex, as OTLP's JSON has them."""
    found: dict[str, Any] = MessageToDict(body)
    for resource_spans in found["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for number, span in enumerate(scope_spans["spans"], start=1):
                span["traceId"], span["spanId"] = TRACE, f"{number:016x}"
                span.pop("parentSpanId", None)
    return found


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_every_form_of_otlp_is_taken(client: FlaskClient, form: str, zipped: bool) -> None:
    """Protobuf and JSON, plain and gzip; the answer has the form of the request."""
    body = request("gateway")
    data = body.SerializeToString() if form == "protobuf" else json.dumps(as_otlp_json(body))
    raw = data if isinstance(data, bytes) else data.encode()
    answer = client.post(
        "/v1/traces",
        data=gzip.compress(raw) if zipped else raw,
        content_type=PROTOBUF if form == "protobuf" else "application/json",
        headers={"Content-Encoding": "gzip"} if zipped else {},
    )
    assert answer.status_code == 200
    assert get(client, "/api/services") == ["gateway"]


@pytest.mark.parametrize(
    ("data", "content_type", "encoding", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, "", 400),
        (b"{", "application/json", "", 400),
        (b'{"resourceSpans": 1}', "application/json", "", 400),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
            "application/json",
            "",
            400,
        ),
        (b"[" * 5000, "application/json", "", 400),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "application/json", "", 400),
        (b"no gzip", PROTOBUF, "gzip", 400),
        (gzip.compress(b"x" * 100)[:-9], PROTOBUF, "gzip", 400),
        (gzip.compress(b"\0" * 20_000_000), PROTOBUF, "gzip", 413),
        (b"x" * 17_000_000, PROTOBUF, "", 413),
        (b"", "text/plain", "", 415),
        (b"", PROTOBUF, "br", 415),
    ],
)
def test_what_is_no_otlp_is_refused(
    client: FlaskClient, data: bytes, content_type: str, encoding: str, status: int
) -> None:
    """With a status that tells the sender not to try again, and a count."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = client.post("/v1/traces", data=data, content_type=content_type, headers=headers)
    assert answer.status_code == status
    assert answer.data
    counted = client.get("/metrics").text
    assert f'tracestore_export_requests_total{{code="{status}"}} 1.0' in counted


def test_spans_without_ids_are_left_out_and_said(client: FlaskClient) -> None:
    """The others of the request are kept: OTLP's partial success."""
    body = request("a", "b")
    body.resource_spans[0].scope_spans[0].spans[0].span_id = bytes(8)
    answer = client.post("/v1/traces", data=body.SerializeToString(), content_type=PROTOBUF)
    said = ExportTraceServiceResponse.FromString(answer.data)
    assert said.partial_success.rejected_spans == 1
    assert get(client, "/api/services") == ["b"]


def test_a_trace_has_jaegers_form(client: FlaskClient) -> None:
    """Hex ids, processes, typed tags, references, logs; the status as tags."""
    body = request("gateway", "llm")
    span = body.resource_spans[1].scope_spans[0].spans[0]
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "no luck"
    values = ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="é")])
    span.attributes.extend(
        [
            attribute("text", string_value="é"),
            attribute("number", int_value=-5),
            attribute("large", int_value=2**53),
            attribute("ratio", double_value=0.5),
            attribute("nan", double_value=float("nan")),
            attribute("yes", bool_value=True),
            attribute("raw", bytes_value=b"\x00"),
            attribute("list", array_value=values),
        ]
    )
    event = span.events.add(name="exception", time_unix_nano=NOW)
    event.attributes.append(attribute("exception.type", string_value="ValueError"))
    span.links.add(trace_id=bytes.fromhex(TRACE), span_id=(9).to_bytes(8, "big"))
    send(client, body)

    (trace,) = get(client, f"/api/traces/{TRACE}")
    assert trace["traceID"] == TRACE
    assert {p["serviceName"] for p in trace["processes"].values()} == {"gateway", "llm"}
    child = next(s for s in trace["spans"] if s["operationName"] == "op llm")
    assert child["references"] == [
        {"refType": "CHILD_OF", "traceID": TRACE, "spanID": "0000000000000001"},
        {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "0000000000000009"},
    ]
    assert child["duration"] == 100_000
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in child["tags"]}
    assert tags["text"] == ("string", "é")
    assert tags["number"] == ("int64", -5)
    assert tags["large"] == ("int64", "9007199254740992")
    assert tags["ratio"] == ("float64", 0.5)
    assert tags["nan"] == ("string", "nan")
    assert tags["yes"] == ("bool", True)
    assert tags["raw"] == ("binary", "AA==")
    assert tags["list"] == ("string", '[1,"é"]')
    assert tags["span.kind"] == ("string", "server")
    assert tags["error"] == ("bool", True)
    assert tags["otel.status_code"] == ("string", "ERROR")
    assert tags["otel.status_description"] == ("string", "no luck")
    assert tags["otel.scope.name"] == ("string", "lib")
    assert child["logs"][0]["fields"][0] == {
        "key": "event",
        "type": "string",
        "value": "exception",
    }


def test_a_repeated_delivery_changes_nothing(client: FlaskClient) -> None:
    """Exporters send again when an answer is lost."""
    for _ in range(3):
        send(client, request("a"))
    (trace,) = get(client, f"/api/traces/{TRACE}")
    assert len(trace["spans"]) == 1


def test_unknown_and_impossible_ids_have_jaegers_answers(client: FlaskClient) -> None:
    """404 for a trace that is not there, 400 for what is no id; zeros in front may be left out."""
    missing = client.get("/api/traces/abc")
    assert missing.status_code == 404
    assert missing.get_json()["errors"] == [{"code": 404, "msg": "trace not found"}]
    assert client.get("/api/traces/xyz").status_code == 400
    send(client, request("a", trace_id="00000000000000000000000000000abc"))
    assert client.get("/api/traces/abc").status_code == 200


def test_traces_are_found(client: FlaskClient) -> None:
    """By service, operation, tags, duration and time; at most as many as were asked for."""
    for number in range(1, 6):
        send(client, request("web", "db", trace_id=f"{number:032x}", milliseconds=number * 100))
    now = NOW // 1000
    for query, count in [
        ("service=web", 5),
        ("service=web&operation=op+web", 5),
        ("service=web&operation=op+db", 0),
        ("service=nobody", 0),
        ("service=web&limit=2", 2),
        ("service=web&minDuration=250ms", 3),
        ("service=web&maxDuration=0.25s", 2),
        ("service=web&tags=%7B%22span.kind%22%3A%22server%22%7D", 5),
        ("service=web&tags=%7B%22host.name%22%3A%22h%22%7D", 5),
        ("service=web&tags=%7B%22error%22%3A%22true%22%7D", 0),
        (f"service=web&start={now + 10**9}&end={now + 2 * 10**9}", 0),
        (f"service=web&end={now + 10**9}&lookback=1h", 5),
        (f"traceID={1:032x}&traceID={2:032x}", 2),
    ]:
        assert len(get(client, f"/api/traces?{query}")) == count, query


@pytest.mark.parametrize(
    "query",
    [
        "",
        "service=web&limit=x",
        "service=web&minDuration=soon",
        "service=web&tags=error",
        "service=web&tags=[1]",
        "service=web&start=-1",
        "traceID=zz",
    ],
)
def test_bad_parameters_are_named(client: FlaskClient, query: str) -> None:
    """400 in Jaeger's form, with the parameter in the message."""
    answer = client.get(f"/api/traces?{query}")
    assert answer.status_code == 400
    assert "parameter" in answer.get_json()["errors"][0]["msg"]


def test_operations_and_dependencies(client: FlaskClient) -> None:
    """What Grafana's fields and the service graph are filled from."""
    send(client, request("web", "db"))
    assert get(client, "/api/services/web/operations") == ["op web"]
    assert get(client, "/api/operations?service=db") == [{"name": "op db", "spanKind": "server"}]
    assert get(client, "/api/operations?service=db&spanKind=client") == []
    assert client.get("/api/operations").status_code == 400
    assert get(client, "/api/dependencies") == [{"parent": "web", "child": "db", "callCount": 1}]


def test_spans_are_bounded_by_age_and_size(database: Path) -> None:
    """The oldest go first; what is used stays below the bound."""
    now = 1000.0
    store = Store(database, max_age=100, max_bytes=1_500_000, clock=lambda: now)
    store.add(spans_of(request("old"))[0])
    now += 101
    for number in range(1, 9000, 100):
        body = ExportTraceServiceRequest()
        for each in range(100):
            made = request("new", trace_id=f"{number + each:032x}")
            body.resource_spans.extend(made.resource_spans)
        store.add(spans_of(body)[0])
        now += 0.1
    now += 6
    store.add(spans_of(request("last", trace_id="f" * 32))[0])
    assert store.trace(TRACE) == []
    assert store.size() <= 1_500_000
    assert 0 < store.count() < 9000
    assert store.trace("f" * 32)


def test_what_was_acknowledged_survives_a_restart(database: Path, client: FlaskClient) -> None:
    """A new process on the same file has it."""
    send(client, request("a"))
    again = create_app(Settings(database_path=database)).test_client()
    assert get(again, "/api/services") == ["a"]


def test_a_full_or_broken_database_is_a_503(client: FlaskClient, database: Path) -> None:
    """The sender keeps its spans and tries again."""
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE span")
    assert send(client, request("a")) == 503


@pytest.mark.parametrize(
    ("asked", "sent_to"),
    [
        ("/", "/search"),
        ("/?service=web", "/search?service=web"),
        (
            "/search?tags=%7B%22error%22%3A%22true%22%7D&limit=5",
            "/search?tags=%7B%22error%22%3A%22true%22%7D&limit=5",
        ),
        (f"/trace/{TRACE}?uiFind=a+b", f"/trace/{TRACE}?uiFind=a+b"),
        ("/trace/%0d%0aX", "/trace/%0D%0AX"),
    ],
)
def test_pages_are_the_consoles(database: Path, asked: str, sent_to: str) -> None:
    """A link in Jaeger's form is sent on as it is; without a console, a line says where."""
    console = "http://console.test:3001"
    client = create_app(Settings(database_path=database, ui_url=console)).test_client()
    answer = client.get(asked)
    assert (answer.status_code, answer.headers["Location"]) == (302, console + sent_to)
    alone = create_app(Settings(database_path=database)).test_client().get(asked)
    assert (alone.status_code, alone.mimetype) == (404, "text/plain")
    assert "TRACESTORE_UI_URL" in alone.text


def test_a_damaged_file_and_bad_settings_are_named(tmp_path: Path) -> None:
    """The message names the variable; the file is left as it is."""
    broken = tmp_path / "traces.db"
    broken.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="TRACESTORE_DATABASE_PATH"):
        create_app(Settings(database_path=broken))
    for variable, value in [
        ("TRACESTORE_DATABASE_PATH", "/nowhere/x.db"),
        ("TRACESTORE_MAX_BYTES", "1GB"),
        ("TRACESTORE_MAX_AGE_SECONDS", "1"),
        ("TRACESTORE_UI_URL", "console:3001"),
    ]:
        given = {"TRACESTORE_DATABASE_PATH": str(tmp_path / "ok.db"), variable: value}
        with pytest.raises(ConfigurationError, match=variable):
            Settings.from_env(given)


texts = st.text(max_size=10)
any_value = st.recursive(
    st.builds(AnyValue, string_value=texts)
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=10))
    | st.just(AnyValue()),
    lambda inner: st.builds(
        lambda values: AnyValue(array_value=ArrayValue(values=values)), st.lists(inner, max_size=3)
    ),
    max_leaves=5,
)
any_span = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16).filter(any),
    span_id=st.binary(min_size=8, max_size=8).filter(any),
    parent_span_id=st.binary(max_size=12),
    name=texts,
    kind=st.integers(0, 6),
    start_time_unix_nano=st.integers(0, 2**64 - 1),
    end_time_unix_nano=st.integers(0, 2**64 - 1),
    flags=st.integers(0, 2**32 - 1),
    attributes=st.lists(st.builds(KeyValue, key=texts, value=any_value), max_size=4),
)


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(any_span, min_size=1, max_size=5, unique_by=lambda s: bytes(s.span_id)))
def test_no_span_is_lost_on_its_way_through(
    tmp_path_factory: pytest.TempPathFactory, spans: list[Span]
) -> None:
    """Whatever a span holds, it is kept and comes out as JSON."""
    body = ExportTraceServiceRequest()
    scope_spans = body.resource_spans.add().scope_spans.add()
    scope_spans.spans.extend(spans)
    found, refused = spans_of(body)
    path = tmp_path_factory.mktemp("traces") / "t.db"
    store = Store(path, max_age=100, max_bytes=10**8)
    store.add(found)
    kept = [span for trace_id in {s.trace_id for s in found} for span in store.trace(trace_id)]
    traces = json.loads(json.dumps(traces_of(kept), allow_nan=False))
    assert refused == 0
    assert sum(len(trace["spans"]) for trace in traces) == len(spans)


@given(data=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Never a 5xx."""
    path = tmp_path_factory.getbasetemp() / "any.db"
    client = create_app(Settings(database_path=path)).test_client()
    for content_type in (PROTOBUF, "application/json"):
        answer = client.post("/v1/traces", data=data, content_type=content_type)
        assert answer.status_code in {200, 400}
