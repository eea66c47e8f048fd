"""The exposition formats, written as prometheus_client writes them, byte for byte, in less time.

What it can do beyond the two common formats is left to it: names that are not made of letters,
digits, `_` and `:`, native histograms, and other versions. Thread-safe and fork-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString
from prometheus_client.validation import _is_valid_legacy_labelname, _is_valid_legacy_metric_name

# OpenMetrics' types that the older format does not have, and what it calls them.
_OLD_TYPES = {
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "histogram",
    "unknown": "untyped",
}
_OLD_SUFFIXES = {"counter": "_total", "info": "_info"}
# Samples of OpenMetrics that are families of their own in the older format.
_OWN_FAMILIES = ("_created", "_gcount", "_gsum")

Writer = Callable[[Collector], bytes]
Labels = tuple[tuple[str, str], ...]


def negotiate(accept: str) -> tuple[Writer, str]:
    """Choose the format that a scraper asks for.

    Args:
        accept: its `Accept` header, whatever that holds.

    Returns:
        The writer and the content type of what it writes.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # A version that is no number.
        return text, CONTENT_TYPE_PLAIN_0_0_4
    # These write every name in another way.
    if content_type.endswith(("escaping=dots", "escaping=values")):
        return encode, content_type
    if content_type.startswith("application/openmetrics-text; version=1.0.0;"):
        return _writer(_openmetrics, encode), content_type
    if content_type.startswith("text/plain"):
        return _writer(_text, encode), content_type
    return encode, content_type


def text(registry: Collector) -> bytes:
    """Write Prometheus' own text format; timestamps in milliseconds, no exemplars."""
    return _writer(_text, generate_latest)(registry)


def openmetrics(registry: Collector) -> bytes:
    """Write OpenMetrics 1.0; timestamps in seconds, exemplars where there are any."""
    return _writer(_openmetrics, generate_openmetrics)(registry)


def _writer(ours: Callable[[_Families], str], theirs: Writer) -> Writer:
    def write(registry: Collector) -> bytes:
        families = _Families(registry.collect())
        if not families.are_plain:
            return theirs(families)
        # What UTF-8 cannot hold, a lone surrogate, must not cost the scrape.
        return ours(families).encode("utf-8", "replace")

    return write


def _text(families: _Families) -> str:
    output: list[str] = []
    for family in families.metrics:
        name, kind = family.name, family.type
        apart = {name + suffix for suffix in _OWN_FAMILIES}
        moved: dict[str, list[str]] = {}
        documentation = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        shown = name + _OLD_SUFFIXES.get(kind, "")
        output.append(_head(shown, _OLD_TYPES.get(kind, kind), documentation))
        for sample in family.samples:
            line = f"{_series(sample)} {_number(sample.value)}{_milliseconds(sample)}\n"
            if sample.name in apart:
                moved.setdefault(sample.name, []).append(line)
            else:
                output.append(line)
        for own, lines in sorted(moved.items()):
            output += [_head(own, "gauge", documentation), *lines]
    return "".join(output)


def _openmetrics(families: _Families) -> str:
    output: list[str] = []
    for family in families.metrics:
        output.append(_head(family.name, family.type, _escaped(family.documentation)))
        if family.unit:
            output.append(f"# UNIT {family.name} {family.unit}\n")
        for sample in family.samples:
            stamp = "" if sample.timestamp is None else f" {sample.timestamp}"
            seen = "" if not sample.exemplar else _exemplar(sample.exemplar)
            output.append(f"{_series(sample)} {_number(sample.value)}{stamp}{seen}\n")
    output.append("# EOF\n")
    return "".join(output)


class _Families(Collector):
    """Families that were collected once, for either writer."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self.metrics

    @property
    def are_plain(self) -> bool:
        """Whether they hold nothing that only prometheus_client's own writers know."""
        return all(
            _is_plain(sample.name, tuple(sample.labels)) and sample.native_histogram is None
            for metric in self.metrics
            for sample in metric.samples
        )


@lru_cache(maxsize=4096)
def _is_plain(name: str, labels: tuple[str, ...]) -> bool:
    return _is_valid_legacy_metric_name(name) and all(map(_is_valid_legacy_labelname, labels))


def _head(name: str, kind: str, documentation: str) -> str:
    return f"# HELP {name} {documentation}\n# TYPE {name} {kind}\n"


def _series(sample: Sample) -> str:
    labels = sample.labels
    return sample.name + _labels(tuple(labels.items())) if labels else sample.name


@lru_cache(maxsize=65_536)
def _labels(labels: Labels) -> str:
    return "{" + ",".join([f'{name}="{_escaped(value)}"' for name, value in sorted(labels)]) + "}"


def _number(value: float) -> str:
    value = float(value)
    # Where Python and Go write numbers alike.
    return repr(value) if -1e6 < value < 1e6 else floatToGoString(value)


def _milliseconds(sample: Sample) -> str:
    return "" if sample.timestamp is None else f" {int(float(sample.timestamp) * 1000)}"


def _exemplar(exemplar: Exemplar) -> str:
    labels = _labels(tuple(exemplar.labels.items())) if exemplar.labels else "{}"
    stamp = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {labels} {_number(exemplar.value)}{stamp}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
