"""Hours of samples of many instances, sent to a real Prometheus in seconds by remote write.

Prometheus takes them as those of a sender: they are in its head, as if it had scraped them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.fake_instances import Sample, value_after

# Samples of a series in one message. Prometheus keeps room in each series for as many as one
# message ever had, so that many at once would cost memory that scrapes do not.
_AT_ONCE = 16
_INSTANCES = 10
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def send_history(
    url: str,
    series: Sequence[Sample],
    instances: Sequence[Mapping[str, str]],
    seconds: float,
    interval: float,
) -> int:
    """Send what instances would have exposed in the seconds before now, and return the samples.

    Args:
        url: of a Prometheus that receives remote writes.
        series: of one instance.
        instances: the labels that tell each from the others.
        seconds: how long ago the first sample is.
        interval: seconds between two samples.

    Raises:
        httpx.HTTPStatusError: Prometheus refuses them.
    """
    step = round(interval * 1000)
    end = round(time.time() * 1000) // step * step
    start = end - round(seconds * 1000)
    named = [_labels(each) for each in series]
    heads = [[_packed({**labels, **own}) for labels in named] for own in instances]
    sent = 0
    with httpx.Client(base_url=url, timeout=60, headers=_HEADERS) as client:
        # In the order of time: Prometheus refuses what is much older than what it has.
        for first in range(start, end, _AT_ONCE * step):
            moments = range(first, min(first + _AT_ONCE * step, end), step)
            values = [_samples(each, moments, start) for each in series]
            for number in range(0, len(heads), _INSTANCES):
                some = heads[number : number + _INSTANCES]
                body = b"".join(
                    _field(1, head + value)
                    for instance in some
                    for head, value in zip(instance, values, strict=True)
                )
                client.post("/api/v1/write", content=_snappy(body)).raise_for_status()
                sent += len(some) * len(series) * len(moments)
    return sent


def _labels(series: Sample) -> dict[str, str]:
    (family,) = text_string_to_metric_families(f"{series.head} 0\n")
    sample = family.samples[0]
    return {"__name__": sample.name, **sample.labels}


# Remote write 1.0: `WriteRequest{1: TimeSeries{1: Label{1: name, 2: value}, 2: Sample{…}}}`, in
# protobuf's wire format. Of a sample, 1 is the value, a double, and 2 the milliseconds.


def _packed(labels: Mapping[str, str]) -> bytes:
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(labels.items())
    )


def _samples(series: Sample, moments: range, start: int) -> bytes:
    return b"".join(
        _field(
            2,
            b"\x09"
            + struct.pack("<d", value_after(series, (at - start) / 1000))
            + b"\x10"
            + _varint(at),
        )
        for at in moments
    )


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _snappy(content: bytes) -> bytes:
    """Return a snappy block that says everything literally: nothing is gained on this machine."""
    parts = [_varint(len(content))]
    for at in range(0, len(content), 1 << 16):
        part = content[at : at + (1 << 16)]
        # A literal whose length less one stands in the two bytes that follow.
        parts.append(b"\xf4" + struct.pack("<H", len(part) - 1) + part)
    return b"".join(parts)
