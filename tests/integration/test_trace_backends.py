"""Real Jaeger and the embedded trace store give the same answers for the same spans."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind

from stack.errors import OpsError
from stack.ops.binaries import Binaries, bin_folder
from stack.ops.components import Plan, components
from stack.ops.jaeger import check_config, find_jaeger
from stack.ops.ports import DEFAULTS, free_ports
from stack.tracing.export import CountingExporter
from stack.tracing.tracer import OTelTracer
from tests.integration.conftest import PORTS, ROOT, until

BACKENDS = ("embedded", "jaeger")
CONFIG = ROOT / "jaeger" / "config.yaml"


class Backend:
    """One of the two, run as local mode runs it.

    Args:
        run_dir: where it keeps its data.
        jaeger: Jaeger's program; empty for the embedded store.
    """

    def __init__(self, run_dir: Path, jaeger: str) -> None:
        self.plan = Plan(ROOT, run_dir, {**DEFAULTS, **free_ports(PORTS)}, jaeger=jaeger)
        self.otlp = self.plan.url("OTLP_HTTP_PORT", "/v1/traces")
        self.plan.data.mkdir(parents=True)
        nowhere = Path()
        known = components(self.plan, Binaries(nowhere, nowhere, nowhere, nowhere))
        self._component = next(each for each in known if each.name == "jaeger")
        self._log = run_dir / "log"

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._component.command,
                cwd=ROOT,
                env={**os.environ, **self._component.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(
            lambda: httpx.get(self._component.health).status_code == 200,
            f"{self._component.command[0]} is healthy; {self._log}",
        )

    def stop(self) -> None:
        """End it as the supervisor does."""
        self._process.terminate()
        self._process.wait(15)

    def kill(self) -> None:
        """End it and its workers without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(15)

    def answer(self, path: str, **params: str) -> httpx.Response:
        """Ask the query API."""
        return httpx.get(self.plan.url("JAEGER_QUERY_PORT", path), params=params)

    def has(self, trace_id: str) -> bool:
        """Tell whether it has a trace."""
        return self.answer(f"/api/traces/{trace_id}").status_code == 200

    def get(self, path: str, **params: str) -> Any:
        """Return the data of an answer."""
        answer = self.answer(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def jaeger_program() -> Path:
    found = find_jaeger(ROOT / ".run")
    if found is None:
        pytest.skip(
            f"no Jaeger on PATH or in {bin_folder(ROOT / '.run')} (`make jaeger` builds it), "
            "or STACK_JAEGER=embedded"
        )
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Backend]]:
    """All backends that can be had."""
    programs = {"embedded": "", "jaeger": str(find_jaeger(ROOT / ".run") or "")}
    started: dict[str, Backend] = {}
    try:
        for name in BACKENDS:
            if name == "embedded" or programs[name]:
                backend = Backend(tmp_path_factory.mktemp(name), programs[name])
                backend.start()
                started[name] = backend
        yield started
    finally:
        for backend in started.values():
            backend.stop()


@pytest.fixture(scope="module")
def sent(running: dict[str, Backend]) -> Sent:
    """The same spans in all of them."""
    made = Sent([backend.otlp for backend in running.values()])
    for backend in running.values():
        for trace_id in made.trace_ids:
            until(partial(backend.has, trace_id), f"{trace_id} is stored")
    return made


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, running: dict[str, Backend], sent: Sent) -> Backend:
    """Each of them in turn."""
    if request.param == "jaeger":
        jaeger_program()
    return running[request.param]


class Sent:
    """Two traces, sent by the library's exporter: a request through three services, a job.

    Args:
        endpoints: where every span goes.
    """

    def __init__(self, endpoints: list[str]) -> None:
        self._providers = {
            name: self._provider(name, endpoints) for name in ("gateway", "retrieval", "llm")
        }
        self._tracer = OTelTracer(self._providers["gateway"])
        self.trace_ids = [self._request(), self._job()]
        for provider in self._providers.values():
            provider.shutdown()

    @property
    def exported(self) -> dict[str, Any]:
        """The job's trace as the façade exports it."""
        found = self._tracer.export_jaeger_format()["data"]
        return next(each for each in found if each["traceID"] == self.trace_ids[1])

    def _provider(self, name: str, endpoints: list[str]) -> TracerProvider:
        resource = Resource({"service.name": name, "service.version": "1.2", "host.name": "here"})
        made = TracerProvider(resource=resource)
        for endpoint in endpoints:
            exporter = CountingExporter(OTLPSpanExporter(endpoint=endpoint), endpoint)
            made.add_span_processor(SimpleSpanProcessor(exporter))
        return made

    def _request(self) -> str:
        gateway, retrieval, llm = (p.get_tracer("web", "3.1") for p in self._providers.values())
        with gateway.start_as_current_span("POST /ask", kind=SpanKind.SERVER) as root:
            root.set_attribute("http.response.status_code", 502)
            with (
                gateway.start_as_current_span("GET retrieval", kind=SpanKind.CLIENT),
                retrieval.start_as_current_span("GET /search", kind=SpanKind.SERVER),
            ):
                pass
            with (
                gateway.start_as_current_span("POST llm", kind=SpanKind.CLIENT),
                llm.start_as_current_span("POST /answer", kind=SpanKind.SERVER) as failed,
            ):
                failed.set_attribute("tenant", "blue")
                failed.set_status(trace.StatusCode.ERROR, "overloaded")
        return trace.format_trace_id(root.get_span_context().trace_id)

    def _job(self) -> str:
        """Leave nothing out that a span can have."""
        cause = self._providers["gateway"].get_tracer("other").start_span("cause")
        cause.end()
        raw = self._providers["gateway"].get_tracer("jobs", "2.0")
        values = {"text": "é", "n": -5, "big": 2**53, "half": 0.5, "whole": 2.0, "ok": True}
        with self._tracer.span_context("job", {**values, "list": ["a", "b"]}) as root:
            links = [Link(cause.get_span_context())]
            with raw.start_as_current_span("linked", links=links, kind=SpanKind.PRODUCER) as span:
                span.set_status(trace.StatusCode.OK)
            with self._tracer.span_context("failing") as failing:
                self._tracer.record_event(failing, "retry", {"attempt": 2})
                self._tracer.record_error(failing, "no luck", "LuckError")
        return root.trace_id


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    """Bring what has no order into one, and processes to their spans."""
    spans = {}
    for span in found["spans"]:
        process = found["processes"][span["processID"]]
        spans[span["spanID"]] = {
            **span,
            "processID": {**process, "tags": in_order(process["tags"])},
            "tags": in_order(span["tags"]),
            "logs": [{**log, "fields": in_order(log["fields"])} for log in span["logs"]],
        }
    return {**found, "spans": spans, "processes": len(found["processes"])}


def in_order(tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(tags, key=lambda tag: str(tag["key"]))


def test_services_and_operations(backend: Backend) -> None:
    """What fills the fields of a search."""
    assert sorted(backend.get("/api/services")) == ["gateway", "llm", "retrieval"]
    assert sorted(backend.get("/api/services/llm/operations")) == ["POST /answer"]
    operations = backend.get("/api/operations", service="retrieval")
    # Badger does not keep the kinds.
    assert operations in (
        [{"name": "GET /search", "spanKind": "server"}],
        [{"name": "GET /search", "spanKind": ""}],
    )
    assert backend.answer("/api/operations").status_code == 400


def test_a_trace_is_had_by_its_id(backend: Backend, sent: Sent) -> None:
    """All spans of three services, and 404 for one that is not there."""
    (found,) = backend.get(f"/api/traces/{sent.trace_ids[0]}")
    assert len(found["spans"]) == 5
    services = sorted(each["serviceName"] for each in found["processes"].values())
    assert services == ["gateway", "llm", "retrieval"]
    missing = backend.answer(f"/api/traces/{'1' * 32}")
    assert missing.status_code == 404
    assert missing.json()["errors"] == [{"code": 404, "msg": "trace not found"}]
    assert backend.answer("/api/traces/xyz").status_code == 400


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ({"service": "gateway"}, 3),
        ({"service": "gateway", "operation": "POST /ask"}, 1),
        ({"service": "llm", "tags": '{"tenant":"blue"}'}, 1),
        ({"service": "llm", "tags": '{"tenant":"red"}'}, 0),
        ({"service": "llm", "tags": '{"error":"true"}'}, 1),
        ({"service": "gateway", "tags": '{"http.response.status_code":"502"}'}, 1),
        ({"service": "gateway", "tags": '{"host.name":"here"}'}, 3),
        ({"service": "gateway", "limit": "1"}, 1),
        ({"service": "gateway", "minDuration": "1h"}, 0),
        ({"service": "nobody"}, 0),
    ],
)
def test_traces_are_found(backend: Backend, search: dict[str, str], count: int) -> None:
    """By service, operation, tags and duration, with all of their spans."""
    found = backend.get("/api/traces", lookback="1h", **search)
    assert len(found) == count
    if search.get("operation") or search["service"] == "llm":
        assert all(len(each["spans"]) == 5 for each in found)


@pytest.mark.parametrize("search", [{}, {"service": "gateway", "limit": "x"}])
def test_searches_that_cannot_be_done_are_refused(backend: Backend, search: dict[str, str]) -> None:
    """With status 400 and errors in the same form."""
    answer = backend.answer("/api/traces", **search)
    assert answer.status_code == 400
    assert set(answer.json()["errors"][0]) == {"code", "msg"}


def test_both_answer_alike(running: dict[str, Backend], sent: Sent) -> None:
    """Every field of every span of both traces, and the envelope."""
    jaeger_program()
    for trace_id in sent.trace_ids:
        answers = [running[name].answer(f"/api/traces/{trace_id}").json() for name in BACKENDS]
        embedded, jaeger = ({**a, "data": [comparable(t) for t in a["data"]]} for a in answers)
        assert embedded == jaeger


def test_the_tracers_export_is_what_jaeger_would_answer(
    running: dict[str, Backend], sent: Sent
) -> None:
    """Keys, types and values, ids, references and processes."""
    jaeger_program()
    (answered,) = running["jaeger"].get(f"/api/traces/{sent.trace_ids[1]}")
    assert comparable(sent.exported) == comparable(answered)


def test_spans_survive_a_restart(backend: Backend, sent: Sent) -> None:
    """Also one by force."""
    before = comparable(backend.get(f"/api/traces/{sent.trace_ids[0]}")[0])
    for end in (backend.stop, backend.kill):
        end()
        backend.start()
        after = comparable(backend.get(f"/api/traces/{sent.trace_ids[0]}")[0])
        assert after == before
        assert sorted(backend.get("/api/services")) == ["gateway", "llm", "retrieval"]


def test_jaeger_accepts_our_file_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    """Before anything is started; the message names what is wrong."""
    program = jaeger_program()
    check_config(program, CONFIG, {})
    text = CONFIG.read_text()
    for name, right, wrong, said in (
        ("field", "ephemeral:", "efemeral:", "efemeral"),
        ("pipeline", "receivers: [otlp]", "receivers: [oltp]", "oltp"),
        ("yaml", "exporters:\n  jaeger", "exporters: [\n  jaeger", "yaml"),
    ):
        damaged = tmp_path / f"{name}.yaml"
        damaged.write_text(text.replace(right, wrong))
        with pytest.raises(OpsError, match=said):
            check_config(program, damaged, {})
