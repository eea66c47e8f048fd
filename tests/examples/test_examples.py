"""Each example does what its docstring says, wherever it is run from."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import stack
from tests.examples.running import ENVIRONMENT, ROOT, example, output, rows


def log_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_01_no_payment_is_lost() -> None:
    """Three failures open the breaker, later ones cost no call, and all are charged in the end."""
    table = rows(output(1))
    visits = {row[0]: row[2:] for row in table if len(row) == 5}
    assert visits["1002"] == ["paid", "closed", "2"]
    assert visits["1004"] == ["queued", "closed", "4"]
    assert [visits[order] for order in ("1005", "1006", "1007")] == [["queued", "open", "5"]] * 3
    settled = [row for row in table if "settled" in row]
    assert [row[0] for row in settled] == ["1003", "1004", "1005", "1006", "1007"]
    assert [row[3] for row in settled] == ["half_open", *["closed"] * 4]
    assert "7 orders charged, 0 wait, 2 calls were spared" in output(1)


def test_02_lines_have_their_requests_context() -> None:
    """Each line of a request names it; the order is named in its block only; no secret is shown."""
    lines = log_lines(output(2))
    first, second = (stack.filter_logs(lines, request_id=name) for name in ("req-1", "req-2"))
    assert (len(first), len(second)) == (5, 4)
    assert [line.get("order") for line in first] == [None, 1001, 1001, 1001, None]
    timed = stack.filter_logs(first, event_type="performance")
    assert [line["item"] for line in timed] == ["lamp", "cable"]
    assert all(10 <= line["duration_ms"] < 1000 for line in timed)
    (warning,) = stack.filter_logs(first, level="warning")
    assert warning["card_token"] == "[redacted]"
    assert "tok_" not in output(2)
    assert "request_id" not in lines[-1]
    assert output(2).endswith("Context after the last block: {}\n")


def test_03_causes_are_kept_as_they_were_raised() -> None:
    """From the first error to the last; `from None` leaves the last one alone."""
    _, cause, context, none, whole, *_ = output(3).split("\n\n")
    assert [line.split(":")[0].strip() for line in cause.splitlines()[1::2]] == [
        *("KeyError", "StockError", "OrderError"),
    ]
    assert cause.count("was the direct cause of") == 2
    assert (context.count("direct cause"), context.count("During handling")) == (1, 1)
    assert none.splitlines()[1:] == ["    OrderError: order refused"]
    assert "log.exception" in whole
    (line,) = log_lines(output(3))
    assert (line["error_type"], line["error_message"]) == ("StockError", "no such item: chair")
    assert "KeyError: 'chair'" in line["error_stack"]


def test_04_the_numbers_are_right_in_both_forms() -> None:
    """Percentiles are those of 1 to 100 ms, and Prometheus' own parser reads the same counts."""
    shown, exported = output(4).split("The same for Prometheus:\n\n")
    table = {name: values for name, *values in rows(shown.strip())}
    assert table["total_calls"] == ["100", "100"]
    assert table["failed_calls"] == ["5", "25"]
    assert [table[p][0] for p in ("p50", "p95", "p99.9")] == ["0.0500 s", "0.0950 s", "0.1000 s"]
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exported)
        for sample in family.samples
    }
    assert samples["circuit_breaker_calls_total", "slow", "failure"] == 25
    assert samples["circuit_breaker_call_duration_seconds_bucket", "fast", "0.05"] == 50
    assert samples["circuit_breaker_call_duration_seconds_sum", "fast"] == pytest.approx(5.05)


def test_05_the_tree_is_that_of_the_json(tmp_path: Path) -> None:
    """One parent, three children in order, events where they happened, one failure."""
    written = tmp_path / "trace.json"
    output(5, str(written))
    for text in (written.read_text(encoding="utf-8"), output(5).splitlines()[-1]):
        (trace,) = json.loads(text)["data"]
        parent, *children = trace["spans"]
        assert parent["references"] == []
        assert {span["references"][0]["spanID"] for span in children} == {parent["spanID"]}
        names = [span["operationName"] for span in children]
        assert names == ["reserve stock", "charge card", "send mail"]
        failed = [{tag["key"] for tag in span["tags"]} >= {"error"} for span in trace["spans"]]
        assert failed == [False, False, False, True]
    tree = output(5)[: output(5).index("\nTrace ")]
    assert [line.split("  ")[0] or line.split("  ")[1] for line in tree.splitlines()] == [
        *("place order", "· mail postponed", "reserve stock", "charge card"),
        *("", "", "send mail", ""),
    ]
    assert "· declined attempt=1 reason=timeout\n    · accepted attempt=2\n" in tree


def test_06_the_same_ids_are_in_log_trace_and_exemplar() -> None:
    """Every branch is taken, and each request's ids are those of its lines, span and exemplar."""
    logged, exemplars, spans, counted = (rows(part) for part in output(6).split("\n\n"))
    ids = {row[0]: row[2] for row in logged[1:]}
    assert len(set(ids.values())) == 5
    said = [(row[0], row[3]) for row in logged[1:]]
    assert ("req-1", "error: no route to rates") in said
    assert ("req-2", "converted: 1.17") in said
    assert {("req-3", "fallback: ConnectionError"), ("req-3", "converted: 1.17")} < set(said)
    assert ("req-4", "state_changed: 2 consecutive failures") in said
    assert ("req-5", "fallback: CircuitBreakerOpenError") in said
    # A bucket has the exemplar of its last call; a slow machine may put a failure into any.
    assert {"req-2", "req-4"} <= {row[0] for row in exemplars[1:]} <= {*ids} - {"req-5"}
    assert all(row[1].startswith(f"{ids[row[0]]} in le=") for row in exemplars[1:])
    assert [row[1] for row in spans[1:]] == ["ERROR", *["UNSET"] * 4]
    assert [row[2] for row in spans[1:]] == [
        *("exception", "none", "none"),
        *("circuit_breaker.state_changed", "circuit_breaker.rejected"),
    ]
    assert counted[-1] == ["collector: 3 of 4 calls failed, state open"]


def test_07_both_services_count_under_their_routes() -> None:
    """One request each, with an exemplar, by the template and not by the path."""
    text = output(7)
    assert text.startswith("Flask:   {'order': 1001}\nFastAPI: {'lamp': 1990}\n")
    for route in ("/orders/<int:order>", "/prices/{item}"):
        lines = [line for line in text.splitlines() if f'http_route="{route}"' in line]
        assert [line.count("# {span_id=") for line in lines] == [1, 0]
        assert lines[1].endswith("} 1.0")


def test_07_says_what_is_missing_without_fastapi(tmp_path: Path) -> None:
    """Flask is shown all the same."""
    refusal = "raise ModuleNotFoundError(\"No module named 'fastapi'\")"
    for module in ("fastapi", "uvicorn"):
        (tmp_path / f"{module}.py").write_text(refusal)
    text = output(7, first=str(tmp_path))
    assert "FastAPI: No module named 'fastapi'; pip install fastapi uvicorn\n" in text
    assert 'http_route="/orders/<int:order>"} 1.0' in text


def test_07_goes_on_serving() -> None:
    """Each address answers, joins the caller's trace and has `/metrics`, until a key is pressed."""
    command = [sys.executable, "-u", str(example(7)), "--serve"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, cwd="/", **pipes) as serving:
        assert serving.stdin is not None
        assert serving.stdout is not None
        seen = ""
        while not seen.endswith("press Enter "):
            letter = serving.stdout.read(1)
            assert letter, seen
            seen += letter
        addresses = [word for word in seen.split() if word.startswith("http://")]
        trace_id = "0af7651916cd43dd8448eb211c80319c"
        caller = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
        with httpx.Client(
            headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        ) as client:
            for address, path in zip(addresses, ("/orders/1", "/prices/x"), strict=True):
                client.get(address + path, headers=caller).raise_for_status()
                found = client.get(f"{address}/metrics", follow_redirects=True).text
                exemplars = [
                    sample.exemplar.labels["trace_id"]
                    for family in openmetrics(found)
                    for sample in family.samples
                    if sample.exemplar and path[:5] in sample.labels.get("http_route", "")
                ]
                assert trace_id in exemplars
        serving.stdin.write("\n")
        serving.stdin.flush()
        assert serving.wait(20) == 0


def test_08_counts_are_exact_and_contexts_apart() -> None:
    """The same by the breaker and by the collector, for threads and for tasks."""
    _, *table = rows(output(8))
    assert table == [
        ["threads", "breaker", "900", "100", "0"],
        ["collector", "900", "100"],
        ["tasks", "breaker", "900", "100", "0"],
        ["collector", "900", "100"],
    ]


def test_09_each_fallback_has_its_outcome() -> None:
    """Failed and refused calls alike; after the outage all is as before, and the queue is empty."""
    _, *visits = rows(output(9).split("\n\n")[0])
    healthy = ["up", "1.17", "sent", "for you", "paid"]
    assert visits[0] == [*healthy, "closed"]
    assert [visit[1:4] for visit in visits[1:5]] == [
        ["1.17 cached", f"{waiting} queued", "bestsellers"] for waiting in (1, 2, 3, 4)
    ]
    assert [visit[4] for visit in visits[1:5]] == ["502 not paid"] * 2 + ["503 after 1 s"] * 2
    assert [visit[5] for visit in visits[1:5]] == ["closed", "open", "open", "open"]
    assert visits[5:] == [[*healthy, "half_open"], [*healthy, "closed"]]
    assert output(9).endswith("mails lost: 0; calls spared, all four: 8\n")


@pytest.mark.parametrize("threshold", ["3", "4"])
def test_10_is_a_program_and_a_test(threshold: str, tmp_path: Path) -> None:
    """Four tests pass either way, and fail where the code under test is wrong."""
    text = example(10).read_text(encoding="utf-8")
    assert text.count("failure_threshold=3") == 1
    copy = tmp_path / example(10).name
    text = text.replace("failure_threshold=3", f"failure_threshold={threshold}")
    copy.write_text(text, encoding="utf-8")
    for command in ([str(copy)], ["-m", "pytest", "--rootdir", str(tmp_path), str(copy)]):
        ran = subprocess.run(
            [sys.executable, *command],
            env=ENVIRONMENT,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        right = threshold == "3"
        assert (ran.returncode, "4 passed" in ran.stdout) == (0 if right else 1, right), ran.stdout
    assert "4 passed" in output(10)
