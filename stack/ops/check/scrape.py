"""What one answer of `/metrics` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

SERVER = "http_server_request_duration_seconds"
ACTIVE = "http_server_active_requests"
OPENMETRICS = "application/openmetrics-text"

Series = tuple[str, tuple[tuple[str, str], ...]]


class MalformedError(ValueError):
    """It is no exposition that Prometheus would take."""


@dataclass(frozen=True)
class Scrape:
    """The families of one scrape.

    Args:
        families: as they came.
    """

    families: tuple[Metric, ...]

    @classmethod
    def read(cls, text: str, *, openmetrics: bool) -> Scrape:
        """Parse an exposition.

        Raises:
            MalformedError: it is none.
        """
        try:
            return cls(tuple((parse_openmetrics if openmetrics else parse_text)(text)))
        # The parsers fail in many ways on what is no exposition.
        except Exception as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error

    @cached_property
    def named(self) -> Mapping[str, Metric]:
        """The families by the name that queries use: a counter's with its `_total`."""
        return {_name(family): family for family in self.families if family.samples}

    @cached_property
    def cumulative(self) -> dict[Series, float]:
        """All that can only rise, by name and labels."""
        return {
            _series(sample): sample.value
            for family in self.families
            if family.type in {"counter", "histogram"}
            for sample in family.samples
            if not sample.name.endswith(("_created", "_sum"))
        }

    def samples(self) -> Iterator[Sample]:
        """Yield every sample."""
        for family in self.families:
            yield from family.samples

    def values(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the values of the samples with that very name, by labels."""
        return {_series(each)[1]: each.value for each in self.samples() if each.name == name}

    def requests(self, method: str) -> dict[tuple[str, str], float]:
        """Return how many requests of a method were served, by route and status."""
        found: dict[tuple[str, str], float] = {}
        for labels, value in self.values(f"{SERVER}_count").items():
            each = dict(labels)
            if each.get("http_request_method") == method:
                key = (each.get("http_route", ""), each.get("http_response_status_code", ""))
                found[key] = found.get(key, 0.0) + value
        return found

    def exemplars(self) -> list[tuple[str, Mapping[str, str]]]:
        """List the exemplars with the names of their samples."""
        return [(s.name, s.exemplar.labels) for s in self.samples() if s.exemplar is not None]


def _name(family: Metric) -> str:
    first = family.samples[0].name
    return first if family.type == "counter" and first == f"{family.name}_total" else family.name


def _series(sample: Sample) -> Series:
    return sample.name, tuple(sorted(sample.labels.items()))
