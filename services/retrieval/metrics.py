"""The series of this service beside those that every instrumented service has."""

from prometheus_client import Gauge, Histogram

SECTIONS = Gauge(
    "retrieval_index_sections",
    "Sections of documents in the index.",
    multiprocess_mode="max",
)
PASSAGES = Histogram(
    "retrieval_passages_found",
    "Passages found for one search; 0 means that nothing matched.",
    buckets=(0, 1, 2, 3, 5, 10, 20),
)
