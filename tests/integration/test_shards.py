"""Two shards: each target is one's, all are asked as one, and what happens is told once."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml

from stack.ops import local
from stack.ops.added import variable_of
from stack.ops.components import Plan
from stack.ops.scale import traces
from stack.ops.scale.shards import LETTERS, SHARDED_PORTS, SHARDS, letters, prometheus_name
from tests.integration.conftest import ROOT, SPEED, until
from tests.integration.test_scale import SCRAPED, Scaled, missing
from tests.required import skip_scaled

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """A stack of two shards, but for the traces."""
    if reason := missing():
        skip_scaled(reason)
    stack = Scaled(tmp_path_factory.mktemp("shards"), tuple(SHARDED_PORTS))
    plan = Plan(ROOT, stack.run_dir, stack.ports, SPEED, load=2, scale=True, shards=2)
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name in stack.env.keys() - os.environ.keys():
                patched.setenv(name, stack.env[name])
            # Traces have nothing to do with it, and Cassandra would take longer than all others.
            patched.setattr(traces, "components", lambda *_: [])
            assert local.up(plan, print)
        yield stack
    finally:
        local.down(stack.run_dir)
        stack.http.close()


def listed(stack: Scaled) -> set[str]:
    """Return the address of every target that there is."""
    folder = stack.run_dir / "config" / "prometheus"
    jobs = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    groups = [group for job in jobs for group in job.get("static_configs", [])]
    for path in (folder / "targets").glob("*.yaml"):
        if path.name != "spanmetrics.yaml":
            groups += yaml.safe_load(path.read_text())
    return {target for group in groups for target in group["targets"]}


def who_scrapes(stack: Scaled, selector: str = "") -> dict[str, dict[str, set[str]]]:
    """Return the replicas of each shard that have scraped a target just now, by its address."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    asked = f"count_over_time(up{selector}[{4 * SCRAPED}s])"
    answer = stack.get("QUERY_FRONTEND_PORT", "/api/v1/query", query=asked, dedup="false")
    for each in answer["data"]["result"]:
        labels = each["metric"]
        found[labels["instance"]][labels["shard"]].add(labels["replica"])
    return found


def port_of(letter: str) -> str:
    """Return the variable of a Prometheus' port."""
    return variable_of(prometheus_name(letter))


def told(stack: Scaled, name: str, instance: str) -> list[dict[str, Any]]:
    """Return the alerts of that name about a target, as the inbox has them."""
    return [each for each in stack.alerts(name) if each["labels"].get("instance") == instance]


def test_every_target_is_scraped_by_both_of_one_shard(shards: Scaled) -> None:
    """None is left out, none is scraped by both shards, and each shard has some."""
    both = [{str(shard): set(LETTERS[shard])} for shard in SHARDS]

    def by_one_pair() -> bool:
        found = who_scrapes(shards)
        return found.keys() == listed(shards) and all(each in both for each in found.values())

    until(by_one_pair, "every target is scraped by one pair", 60)
    until(
        lambda: all(each in who_scrapes(shards).values() for each in both),
        "each shard has some",
        60,
    )


def test_the_answer_is_that_of_all(shards: Scaled) -> None:
    """Thanos adds over both shards, and names neither; one Prometheus has a part of it."""
    asked = f"count(count_over_time(up[{4 * SCRAPED}s]))"

    def adds_up() -> bool:
        parts = []
        for first, _ in LETTERS.values():
            answer = shards.get(port_of(first), "/api/v1/query", query=asked)
            parts.append(int(answer["data"]["result"][0]["value"][1]))
        everywhere = int(shards.everywhere(asked)[0]["value"][1])
        return all(parts) and sum(parts) == everywhere == len(listed(shards))

    until(adds_up, "the parts add up to the whole", 60)
    names = {name for each in shards.everywhere("up") for name in each["metric"]}
    assert "instance" in names
    assert not names & {"shard", "replica"}


def test_what_happens_is_told_once_though_no_prometheus_judges(shards: Scaled) -> None:
    """By Thanos Ruler, without a word of shards; so is that it is over, and the Watchdog."""
    for letter in letters(len(SHARDS)):
        assert shards.get(port_of(letter), "/api/v1/rules")["data"]["groups"] == []
    instance = f"127.0.0.1:{shards.ports['LLM_1_PORT']}"
    with shards.without("llm-1"):
        (alert,) = until(lambda: told(shards, "TargetDown", instance), "it is told", 60)
        assert (alert["status"], alert["deliveries"]) == ("firing", 1)
        assert alert["labels"].keys() == {
            *("alertname", "instance", "job", "service", "severity", "stack")
        }

    def over() -> bool:
        return [each["status"] for each in told(shards, "TargetDown", instance)] == ["resolved"]

    until(over, "it is told to be over, and was told once", 60)
    assert [each["status"] for each in shards.alerts("Watchdog")] == ["firing"]


def test_a_killed_replica_leaves_no_gap_and_a_killed_shard_is_told(shards: Scaled) -> None:
    """The other of its pair has the samples; of a pair that is away the other shard tells."""
    (inbox,) = who_scrapes(shards, '{service="inbox"}').values()
    (shard,) = inbox
    first, second = LETTERS[int(shard)]
    began = int(time.time())
    with shards.without(prometheus_name(first)):
        until(lambda: time.time() - began > 10, "ten seconds go by")
        ended = int(time.time())
        for series in ('up{service="inbox"}', 'slo:sli_total:rate5m{slo="llm-availability"}'):
            (each,) = shards.everywhere(
                f"count_over_time({series}[{10 * SCRAPED}s])", start=began, end=ended - 5, step=1
            )
            assert [at for at, _ in each["values"]] == list(range(began, ended - 4))
        with shards.without(prometheus_name(second)):
            for letter in (first, second):
                away = f"127.0.0.1:{shards.ports[port_of(letter)]}"
                until(partial(told, shards, "TargetDown", away), f"{letter} is away", 60)
                (alert,) = told(shards, "TargetDown", away)
                assert alert["labels"]["service"] == "prometheus"
