"""Jaeger JSON of 100 traces."""

from __future__ import annotations

import json

from google.protobuf.json_format import MessageToJson
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.figures import Benchmark, Figure
from benchmarks.timing import compare
from stack.tracing.tracer import OTelTracer

TRACES, SPANS = 100, 5


def run() -> Benchmark:
    """Compare with the SDK's encoder and protobuf's own JSON of the same spans."""
    tracer = OTelTracer(TracerProvider())
    for number in range(TRACES):
        with tracer.start_span("request", {"number": number}):
            for _ in range(SPANS - 1):
                with tracer.start_span("call", {"peer.service": "llm"}):
                    pass
    spans = [span for kept in tracer.get_completed_traces() for span in kept]
    exported = tracer.export_jaeger_format()
    assert len(exported["data"]) == TRACES
    assert sum(len(each["spans"]) for each in exported["data"]) == TRACES * SPANS
    seconds = compare(
        {
            "bare": lambda: json.dumps(exported),
            "ours": lambda: json.dumps(tracer.export_jaeger_format()),
            "peer": lambda: MessageToJson(encode_spans(spans), indent=None),
        }
    )
    return Benchmark(
        f"Jaeger JSON export of {TRACES} traces of {SPANS} spans",
        [
            Figure(
                "`json.dumps(export_jaeger_format())`",
                seconds["ours"],
                bare=seconds["bare"],
                peer="OTLP JSON by protobuf",
                peer_value=seconds["peer"],
            )
        ],
        ["Bare is `json.dumps` of the finished structure."],
    )
