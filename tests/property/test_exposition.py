"""The exposition is what prometheus_client would write, and what its parsers read back."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Timestamp

from stack.metrics import PrometheusMetricsCollector, exposition

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
# UTF-8 has no form for lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", "\n", '\\"\n', "\r", "\u2028", "{}", "a=b,c", "# EOF"]
)
numbers = st.floats() | st.integers(-(10**12), 10**12).map(float)
labels = st.dictionaries(names, texts, max_size=3)
exemplars = st.builds(
    Exemplar,
    labels=st.dictionaries(names, texts, max_size=2),
    value=numbers,
    timestamp=st.none() | st.floats(0, 2e9),
)
stamps = st.none() | st.floats(0, 2e9) | st.builds(Timestamp, st.integers(0, 2**31), st.just(5))


class Families(Collector):
    """Gives what it was given."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


@st.composite
def families(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(["counter", "gauge", "histogram", "summary", "unknown", "info"]))
    metric = Metric(draw(names), draw(texts), kind)
    endings = ["", "_total", "_bucket", "_sum", "_created", "_info", "_gsum"]
    for _ in range(draw(st.integers(0, 4))):
        ending = draw(st.sampled_from(endings))
        allowed = (kind, ending) in {("counter", "_total"), ("histogram", "_bucket")}
        metric.add_sample(
            metric.name + ending,
            draw(labels),
            draw(numbers),
            draw(stamps),
            draw(st.none() | exemplars) if allowed else None,
        )
    return metric


def registry_of(metrics: list[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(metrics))
    return registry


@settings(max_examples=300, deadline=None)
@given(st.lists(families(), max_size=4))
def test_it_is_byte_for_byte_what_prometheus_client_writes(metrics: list[Metric]) -> None:
    registry = registry_of(metrics)
    assert exposition.text(registry) == generate_latest(registry)
    assert exposition.openmetrics(registry) == generate_openmetrics(registry)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(texts, st.floats(0, 1e6), st.booleans()), max_size=20))
def test_both_parsers_read_back_what_was_recorded(calls: list[tuple[str, float, bool]]) -> None:
    registry = CollectorRegistry()
    collector = PrometheusMetricsCollector(registry=registry)
    for component, latency, success in calls:
        collector.record_circuit_breaker_call(component, latency, success)
    texts_of_both = [
        (parse_text, collector.export_prometheus_format()),
        (parse_openmetrics, exposition.openmetrics(registry).decode()),
    ]
    for parse, text in texts_of_both:
        counts = {
            (sample.labels["component"], sample.labels["outcome"]): sample.value
            for family in parse(text)
            for sample in family.samples
            if sample.name == "circuit_breaker_calls_total"
        }
        for component in {component for component, _, _ in calls}:
            for outcome, wanted in (("success", True), ("failure", False)):
                expected = sum(c == component and s is wanted for c, _, s in calls)
                assert counts[component, outcome] == expected
        assert text.endswith("\n")


def test_a_name_without_a_utf8_form_does_not_cost_the_scrape() -> None:
    collector = PrometheusMetricsCollector()
    collector.record_circuit_breaker_call("lone \ud800 surrogate", 0.1)
    assert 'component="lone ? surrogate"' in collector.export_prometheus_format()


@pytest.mark.parametrize("name", ["with.dot", "with space", "naïve"])
def test_names_beyond_the_common_are_left_to_prometheus_client(name: str) -> None:
    metric = Metric(name, "Help.", "gauge")
    metric.add_sample(name, {}, 1.0)
    registry = registry_of([metric])
    assert exposition.text(registry) == generate_latest(registry)
    utf8, _ = exposition.negotiate(
        "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8"
    )
    assert f'"{name}"' in utf8(registry).decode()


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.builds(
        "{}; version={}; escaping={}".format,
        st.sampled_from(["text/plain", "application/openmetrics-text"]),
        st.sampled_from(["0.0.4", "1.0.0", "2.0.0", "x.y", ""]),
        st.sampled_from(["allow-utf-8", "underscores", "dots", "values", "none", ""]),
    )
)
def test_whatever_a_scraper_accepts_it_gets_a_format(accept: str) -> None:
    write, content_type = exposition.negotiate(accept)
    registry = CollectorRegistry()
    PrometheusMetricsCollector(registry=registry).record_circuit_breaker_call("c", 0.1)
    text = write(registry).decode()
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    # Some escapings write even plain names in another way.
    assert any(sample.labels == {"component": "c"} for f in parse(text) for sample in f.samples)
