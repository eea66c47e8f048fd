"""A hundred calls: their summary, percentiles, and what Prometheus would scrape.

Shows: a collector counts and times calls of two components, sums each up for people and exports
the same numbers in Prometheus' exposition format.

Look for: the latencies are 1 to 100 ms, each once and out of order, so every percentile can be
checked by eye: p50 is 50 ms. Percentiles here are exact; Prometheus estimates them from buckets.

You want it when you time something yourself, in a job or a test. Calls through a circuit breaker
and requests of an instrumented service are recorded by themselves.
"""

import stack

# A collector of its own; a service uses `stack.get_prometheus_collector()`, which `/metrics` shows.
collector = stack.PrometheusMetricsCollector()


def record_calls() -> None:
    """Record a hundred calls to each of two models, of which every 20th or 4th fails."""
    for call in range(100):
        milliseconds = call * 37 % 100 + 1
        collector.record_circuit_breaker_call("fast", milliseconds / 1000, success=call % 20 > 0)
        collector.record_circuit_breaker_call("slow", milliseconds / 100, success=call % 4 > 0)


def print_summaries() -> None:
    """Print one column for each component."""
    names = collector.get_components()
    summaries = [dict(collector.get_metrics_summary(name)) for name in names]
    for key in ("component", "total_calls", "failed_calls", "success_rate", "current_state"):
        print(f"{key:<14}" + "".join(f"{summary[key]!s:>10}" for summary in summaries))
    for key in ("min_latency", "avg_latency", "max_latency"):
        print(f"{key:<14}" + "".join(f"{summary[key]:>8.4f} s" for summary in summaries))
    found = [collector.get_latency_percentiles(name, (50, 95, 99.9)) for name in names]
    for key in found[0]:
        print(f"{key:<14}" + "".join(f"{percentiles[key]:>8.4f} s" for percentiles in found))


if __name__ == "__main__":
    record_calls()
    print_summaries()
    print("\nThe same for Prometheus:\n")
    print(collector.export_prometheus_format(), end="")
