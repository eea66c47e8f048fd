"""OTLP/HTTP in: protobuf or JSON, plain or gzip.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MAX_BYTES = 16_000_000
_MAX_DEPTH = 60
_HEX = {"traceId", "spanId", "parentSpanId"}


class RefusedError(Exception):
    """A request that cannot be taken.

    Args:
        status: the HTTP status.
        message: what is wrong and what would be right.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def decode(body: bytes, content_type: str, encoding: str) -> ExportTraceServiceRequest:
    """Understand a request.

    Args:
        body: as it came.
        content_type: without parameters.
        encoding: of the body: empty, identity or gzip.

    Raises:
        RefusedError: it is none.
    """
    if content_type not in {PROTOBUF, JSON}:
        raise RefusedError(415, f"Content-Type {content_type!r}: must be {PROTOBUF} or {JSON}")
    plain = _unpacked(body, encoding)
    request = ExportTraceServiceRequest()
    try:
        if content_type == PROTOBUF:
            request.ParseFromString(plain)
        else:
            ParseDict(_with_base64_ids(orjson.loads(plain), 0), request, ignore_unknown_fields=True)
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RefusedError(400, f"not an OTLP trace request: {reason}") from error
    return request


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise RefusedError(415, f"Content-Encoding {encoding!r}: must be gzip or identity")
    unpacking = zlib.decompressobj(wbits=31)
    try:
        plain = unpacking.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise RefusedError(400, f"damaged gzip: {error}") from error
    if unpacking.unconsumed_tail:
        raise RefusedError(413, f"more than {MAX_BYTES} bytes when unpacked; send fewer spans")
    if not unpacking.eof:
        raise RefusedError(400, "damaged gzip: it ends too early")
    return plain


def _with_base64_ids(value: Any, depth: int) -> Any:
    """Turn hex ids, as OTLP has them, into base64, as protobuf's JSON has them."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_with_base64_ids(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for name, each in value.items():
        if name in _HEX and isinstance(each, str):
            try:
                changed[name] = base64.b64encode(binascii.unhexlify(each)).decode()
            except binascii.Error:
                raise ValueError(f"{name} {each[:40]!r} is not hex") from None
        else:
            changed[name] = _with_base64_ids(each, depth + 1)
    return changed
