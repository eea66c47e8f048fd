"""The generator of series: one service's answer, repeated for many instances."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.fake_instances import samples, serving, text_after

EXPOSITION = """# HELP calls That were made.
# TYPE calls counter
calls_total{path="a} b",quote="\\""} 21600.0 # {trace_id="ab"} 1.0 1.5
# TYPE busy gauge
busy 4.0
# TYPE took histogram
took_bucket{le="1.0"} 10800
took_bucket{le="+Inf"} 21600
# EOF
"""


def test_counters_advance_and_gauges_stay() -> None:
    """Each series is there once; only what counts grows, by its value in 150 seconds."""
    text = text_after(samples(EXPOSITION), 10)
    found = {(s.name, s.labels.get("le")): s.value for s in _parsed(text)}
    assert found == {
        ("calls_total", None): 23040,
        ("busy", None): 4,
        ("took_bucket", "1.0"): 11520,
        ("took_bucket", "+Inf"): 23040,
    }


def test_labels_are_kept_as_they_are() -> None:
    """A brace or a quote within a label's value ends nothing."""
    (calls,) = (s for s in _parsed(text_after(samples(EXPOSITION), 0)) if s.name == "calls_total")
    assert calls.labels == {"path": "a} b", "quote": '"'}


def test_every_number_is_an_instance() -> None:
    """Any instance answers with all series; another path is not found."""
    with serving(EXPOSITION) as served:
        for number in (0, 99):
            answer = httpx.get(f"http://{served.address}/{number}/metrics")
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            assert len(list(_parsed(answer.text))) == 4
        assert served.sent == 2 * len(answer.content)
        assert httpx.get(f"http://{served.address}/metrics").status_code == 404


def test_what_a_line_has_besides_is_repeated() -> None:
    """Comments and exemplars are sent, too: a scrape brings as much as that of a service."""
    text = text_after(samples(EXPOSITION), 0)
    assert '# HELP calls That were made.\n# TYPE calls counter\ncalls_total{path="a} b"' in text
    assert ' 21600.0 # {trace_id="ab"} 1.0 1.5\n' in text


def test_nothing_to_repeat_is_an_error() -> None:
    """A text without samples is refused."""
    with pytest.raises(ValueError, match="has no sample"):
        samples("# only a comment\n")


def _parsed(text: str) -> Iterator[Sample]:
    whole = text if text.endswith("# EOF\n") else f"{text}# EOF\n"
    return (s for family in text_string_to_metric_families(whole) for s in family.samples)
