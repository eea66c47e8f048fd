"""Exposition of 50 components with 20 calls each."""

from __future__ import annotations

import os
import tempfile

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.values import MultiProcessValue

from benchmarks.figures import Benchmark, Figure
from benchmarks.timing import compare
from stack.metrics import PrometheusMetricsCollector, exposition, multiprocess

COMPONENTS, SAMPLES = 50, 20


def run() -> Benchmark:
    """Compare with prometheus_client's writer on the very same series."""
    registry = CollectorRegistry()
    ours = _filled(registry)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        values.ValueClass = MultiProcessValue()
        _filled(CollectorRegistry())
        peer = CollectorRegistry()
        MultiProcessCollector(peer, folder)
        multiprocess.install()
        kept = _filled(CollectorRegistry())
        multiprocess.open_directory()
        try:
            merged = multiprocess.scrape_registry()
            seconds = compare(
                {
                    "ours": ours.export_prometheus_format,
                    "peer": lambda: generate_latest(registry),
                    "openmetrics": lambda: exposition.openmetrics(registry),
                    "peer openmetrics": lambda: generate_openmetrics(registry),
                    "shared": lambda: exposition.openmetrics(merged),
                    "peer shared": lambda: generate_latest(peer),
                }
            )
        finally:
            multiprocess.close_directory()
    del kept

    text = ours.export_prometheus_format()
    families = list(text_string_to_metric_families(text))
    assert text == generate_latest(registry).decode()
    assert list(parse_openmetrics(exposition.openmetrics(registry).decode()))
    lines = sum(len(family.samples) for family in families)
    return Benchmark(
        f"Metrics export, {COMPONENTS} components × {SAMPLES} samples",
        [
            Figure(
                "`export_prometheus_format`",
                seconds["ours"],
                peer="generate_latest",
                peer_value=seconds["peer"],
                goal_ratio=0.7,
            ),
            Figure(
                "OpenMetrics, with exemplars where there are any",
                seconds["openmetrics"],
                peer="generate_latest, OpenMetrics",
                peer_value=seconds["peer openmetrics"],
                goal_ratio=0.7,
            ),
            Figure(
                "OpenMetrics, one worker of several",
                seconds["shared"],
                peer="MultiProcessCollector",
                peer_value=seconds["peer shared"],
                goal_ratio=0.7,
            ),
        ],
        [
            f"{lines} lines of samples. The first two texts are byte for byte those of the peer,"
            " on the same registry; the parser reads them."
        ],
    )


def _filled(registry: CollectorRegistry) -> PrometheusMetricsCollector:
    collector = PrometheusMetricsCollector(registry=registry)
    for component in range(COMPONENTS):
        for sample in range(SAMPLES):
            collector.record_circuit_breaker_call(
                f"component-{component}", sample / 100, sample % 10 != 0
            )
    return collector
