"""The generator of series: one service's answer, repeated for many instances."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.fake_instances import samples, serving, text_after

EXPOSITION = """# TYPE calls counter
calls_total{path="a} b",quote="\\""} 3600.0 # {trace_id="ab"} 1.0 1.5
# TYPE busy gauge
busy 4.0
# TYPE took histogram
took_bucket{le="1"} 1800
took_bucket{le="+Inf"} 3600
"""


def test_counters_advance_and_gauges_stay() -> None:
    """Each series is there once; only what counts grows, by its value in 25 seconds."""
    text = text_after(samples(EXPOSITION), 10)
    found = {(s.name, s.labels.get("le")): s.value for s in _parsed(text)}
    assert found == {
        ("calls_total", None): 5040,
        ("busy", None): 4,
        ("took_bucket", "1"): 2520,
        ("took_bucket", "+Inf"): 5040,
    }


def test_labels_are_kept_as_they_are() -> None:
    """A brace or a quote within a label's value ends nothing."""
    (calls,) = (s for s in _parsed(text_after(samples(EXPOSITION), 0)) if s.name == "calls_total")
    assert calls.labels == {"path": "a} b", "quote": '"'}


def test_every_number_is_an_instance() -> None:
    """Any instance answers with all series; another path is not found."""
    with serving(EXPOSITION) as address:
        for number in (0, 99):
            answer = httpx.get(f"http://{address}/{number}/metrics")
            assert len(list(_parsed(answer.text))) == 4
        assert httpx.get(f"http://{address}/metrics").status_code == 404


def test_nothing_to_repeat_is_an_error() -> None:
    """A text without samples is refused."""
    with pytest.raises(ValueError, match="has no sample"):
        samples("# only a comment\n")


def _parsed(text: str) -> Iterator[Sample]:
    return (sample for family in text_string_to_metric_families(text) for sample in family.samples)
