"""Local mode with a built Jaeger: traces, span metrics in Prometheus, the Monitor tab's data."""

from collections.abc import Iterator

import pytest

from stack.ops.jaeger import find_jaeger
from tests.integration.conftest import CALLS, ROOT, SPEED, Pipeline, shared_binaries, until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def up_output() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, up_output: dict[str, str]
) -> Iterator[Pipeline]:
    """A stack that uses Jaeger because it finds it."""
    if find_jaeger(ROOT / ".run") is None:
        pytest.skip(f"no Jaeger on PATH or in {shared_binaries()} (`make jaeger` builds it)")
    running = Pipeline(tmp_path_factory.mktemp("jaeger"))
    running.env["STACK_JAEGER"] = "auto"
    up = running.stack("up", "--speed", str(SPEED), "--load", "3")
    up_output["up"] = up.stdout
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield running
    finally:
        down = running.stack("down")
        running.http.close()
    assert down.returncode == 0, down.stdout + down.stderr
    assert running.processes() == []


def test_up_says_that_jaeger_is_used(stack: Pipeline, up_output: dict[str, str]) -> None:
    """And finds it again: a second `up` has nothing to do, `status` shows it healthy."""
    assert "traces: Jaeger, " in up_output["up"]
    assert "already up" in stack.stack("up").stdout
    assert stack.status()["jaeger"]["healthy"]


def test_jaegers_own_metrics_and_its_span_metrics_are_scraped(stack: Pipeline) -> None:
    """Both targets are up, and nothing fires."""

    def jobs() -> set[str]:
        return {t["metric"]["job"] for t in stack.query('up{service="jaeger"} == 1')}

    until(lambda: jobs() == {"jaeger", "spanmetrics"}, "both jobs are up")
    assert stack.query('otelcol_receiver_accepted_spans_total{service="jaeger"}')
    assert stack.query("up == 0") == []


def test_a_trace_of_three_services_is_in_jaeger(stack: Pipeline) -> None:
    """With the id that the answer has."""
    trace_id = stack.ask().json()["trace_id"]
    wanted = {"gateway", "retrieval", "llm"}

    def services() -> set[str]:
        return {each["serviceName"] for each in stack.trace(trace_id)["processes"].values()}

    until(lambda: services() == wanted, f"{trace_id} has spans of {wanted}")


def test_the_monitor_tab_has_rates_latencies_and_errors(stack: Pipeline) -> None:
    """Of the gateway's requests, through Prometheus; latencies in milliseconds."""
    until(lambda: stack.query(CALLS), "calls are counted")
    until(lambda: max(stack.monitor("calls")) > 0, "the tab has call rates", deadline=60)
    latencies = until(lambda: stack.monitor("latencies", quantile="0.95"), "latencies")
    assert 1 < max(latencies) <= 10_000
    assert stack.monitor("errors")


def test_span_metrics_stay_few(stack: Pipeline) -> None:
    """All workers of a service share its series; nothing varies with a process or a request."""
    labels = {name for series in stack.query(CALLS) for name in series["metric"]}
    assert not {name for name in labels if "pid" in name or "host" in name}
    assert len(stack.query('{job="spanmetrics"}')) < 1000
