"""Exemplars as fixed slots of memory that a reader in another process can trust.

A slot is `<crc32> <length> <value> <timestamp>` and the labels' names and values with NUL between.
The checksum covers all that follows it, so a slot that is half written, by a thread running now or
by a process killed in the middle, is known as such and skipped.
"""

from __future__ import annotations

import math
import struct
import time
import zlib

from prometheus_client.samples import Exemplar

from stack.metrics.multiprocess.memory import UNIT

_HEADER = struct.Struct("=IIdd")
_BODY = struct.Struct("=Idd")
_CHECKSUM = struct.Struct("=I")
MAX_LABELS = 160
SLOT_BYTES = _HEADER.size + MAX_LABELS
SLOT_UNITS = SLOT_BYTES // UNIT


def pack(exemplar: Exemplar) -> bytes | None:
    """Return the bytes of a slot; None when the labels are more than `MAX_LABELS` bytes of UTF-8.

    OpenMetrics allows labels of 128 characters; all that are ASCII fit.
    """
    parts = [part for pair in exemplar.labels.items() for part in pair]
    labels = "\0".join(parts).encode("utf-8", "replace")
    if len(labels) > MAX_LABELS or labels.count(b"\0") >= len(parts):
        return None
    stamp = time.time() if exemplar.timestamp is None else float(exemplar.timestamp)
    body = _BODY.pack(len(labels), exemplar.value, stamp) + labels
    return _CHECKSUM.pack(zlib.crc32(body)) + body


def unpack(slot: bytes | memoryview) -> Exemplar | None:
    """Read a slot; None when it is empty, half written or holds no usable exemplar."""
    if len(slot) < _HEADER.size:
        return None
    checksum, length, value, stamp = _HEADER.unpack_from(slot)
    end = _HEADER.size + length
    if not stamp or length > MAX_LABELS or zlib.crc32(slot[4:end]) != checksum:
        return None
    if math.isnan(value) or not math.isfinite(stamp):
        return None
    parts = bytes(slot[_HEADER.size : end]).decode("utf-8", "replace").split("\0")
    return Exemplar(dict(zip(parts[::2], parts[1::2], strict=False)), value, stamp)
