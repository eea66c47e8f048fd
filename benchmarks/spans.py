"""A real Jaeger that is sent the spans of many requests, and what it uses."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.instance import REQUEST
from benchmarks.programs import bytes_on_disk, cpu_seconds, most_memory, running
from stack.ops.components import JAEGER_PORTS
from stack.ops.jaeger import find_jaeger
from stack.ops.ports import free_port

ROOT = Path(__file__).parents[1]
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Stored:
    """What spans took.

    Args:
        requests: whose spans they are.
        spans: that Jaeger says it received.
        seconds: in which they were sent.
        wire: bytes of their messages' bodies.
        memory: resident, in bytes, at its most.
        disk: bytes in Badger when Jaeger has ended.
        cpu: seconds of processor time.
    """

    requests: int
    spans: int
    seconds: float
    wire: int
    memory: int
    disk: int
    cpu: float


def send(folder: Path, requests: int) -> Stored:
    """Run Jaeger in a new folder and send it the spans of that many requests.

    Raises:
        SystemExit: there is no Jaeger.
    """
    program = find_jaeger(ROOT / ".run")
    if program is None:
        raise SystemExit("there is no Jaeger; `make jaeger` builds it, or set STACK_BIN_DIR")
    ports = {name: str(free_port()) for name in JAEGER_PORTS}
    environment = {
        **ports,
        "JAEGER_LISTEN_HOST": "127.0.0.1",
        "JAEGER_QUERY_GRPC_PORT": "0",
        "JAEGER_DATA_DIR": str(folder / "jaeger"),
        "JAEGER_UI_CONFIG": str(ROOT / "jaeger" / "ui.json"),
        "GOMEMLIMIT": "300MiB",
    }
    command = [str(program), f"--config=file:{ROOT / 'jaeger' / 'config.yaml'}"]
    wire = 0
    with running(
        command, f"http://127.0.0.1:{ports['JAEGER_HEALTH_PORT']}/status", environment
    ) as process:
        before, began = cpu_seconds(process), time.monotonic()
        where = f"http://127.0.0.1:{ports['OTLP_HTTP_PORT']}/v1/traces"
        with httpx.Client(timeout=30) as client:
            for number in range(0, requests, _BATCH):
                body = _message(min(_BATCH, requests - number))
                _post(client, where, body)
                wire += len(body)
        seconds = time.monotonic() - began
        # The batches of the collector are written within a second.
        time.sleep(3)
        memory = most_memory(process)
        used = cpu_seconds(process) - before
        received = _received(f"http://127.0.0.1:{ports['JAEGER_METRICS_PORT']}/metrics")
    disk = bytes_on_disk(folder / "jaeger")
    return Stored(requests, received, seconds, wire, memory, disk, used)


def _received(url: str) -> int:
    """Return how many spans Jaeger's storage has taken, by its own count."""
    text = httpx.get(url, timeout=30).text
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in text.splitlines()
        if line.startswith("otelcol_exporter_sent_spans")
        and 'exporter="jaeger_storage_exporter"' in line
    )


def _message(requests: int) -> bytes:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "gateway"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("stack")
    template = json.loads(REQUEST.read_text(encoding="utf-8"))
    for _ in range(requests):
        with tracer.start_as_current_span(template[0]["name"], attributes=template[0]["tags"]):
            for each in template[1:]:
                tracer.start_span(each["name"], attributes=each["tags"]).end()
    body: bytes = encode_spans(kept.get_finished_spans()).SerializeToString()
    return body


def _post(client: httpx.Client, where: str, body: bytes) -> None:
    for _ in range(50):
        answer = client.post(
            where, content=body, headers={"content-type": "application/x-protobuf"}
        )
        if answer.status_code == 200:
            return
        # Its memory limiter says so when it wants to be asked again later.
        time.sleep(0.2)
    raise SystemExit(f"{where} answers {answer.status_code}")
