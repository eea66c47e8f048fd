"""Two shards: which Prometheus scrapes which targets where all of them are too many for one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from stack.errors import ConfigurationError
from stack.ops.components import Plan

# Of a shard, in Prometheus' own configuration; Thanos asks for no shard, so no answer has it.
SHARD_LABEL = "shard"
# Each shard is a pair; the first one is that of a stack without shards, with its ports and data.
LETTERS: Mapping[int, tuple[str, ...]] = {1: ("a", "b"), 2: ("c", "d")}
SHARDS = tuple(LETTERS)

SHARDED_PORTS: Mapping[str, int] = {
    "PROMETHEUS_C_PORT": 9290,
    "PROMETHEUS_D_PORT": 9390,
    "SIDECAR_C_PORT": 10962,
    "SIDECAR_C_GRPC_PORT": 10961,
    "SIDECAR_D_PORT": 10972,
    "SIDECAR_D_GRPC_PORT": 10971,
}
# What containers publish of these.
PUBLISHED_SHARDED = {"PROMETHEUS_C_PORT", "PROMETHEUS_D_PORT"}

# By their alerts: what Thanos Ruler asks in place of what Prometheus asks of itself.
_IN_RULER = {
    # It would go on where nothing is scraped any more.
    "Watchdog": "group(up)",
    "PrometheusNotificationsFailing": (
        "sum by (service) (rate(thanos_alert_sender_alerts_dropped_total[2m]))"
        " / (sum by (service) (rate(thanos_alert_sender_alerts_dropped_total[2m]))"
        " + sum by (service) (rate(thanos_alert_sender_alerts_sent_total[2m])))"
        " > scalar(threshold:prometheus_notifications_failed:ratio)"
    ),
}
_HASH = "__tmp_shard"
_HEADER = "# Generated from prometheus.yml beside it by `stack up`; do not edit.\n"


def checked(shards: int, *, scale: bool) -> int:
    """Return how many shards are wanted.

    Args:
        shards: as it is asked for.
        scale: whether pairs are asked for, too.

    Raises:
        ConfigurationError: there cannot be so many.
    """
    if shards not in SHARDS:
        raise ConfigurationError("SHARDS", shards, "1 or 2")
    if shards > 1 and not scale:
        raise ConfigurationError("SHARDS", shards, "1, or 2 with SCALE=1 (--scale)")
    return shards


def letters(shards: int) -> tuple[str, ...]:
    """Return what tells the Prometheus of so many shards apart."""
    return tuple(letter for shard in SHARDS[:shards] for letter in LETTERS[shard])


def shard_of(letter: str) -> int:
    """Return the shard of one of them."""
    return next(shard for shard, of_it in LETTERS.items() if letter in of_it)


def prometheus_name(letter: str) -> str:
    """Return the name of one of them; the first is the stack's own."""
    return "prometheus" if letter == "a" else f"prometheus-{letter}"


def file_of(shard: int) -> str:
    """Return the name of a shard's configuration."""
    return f"shard-{shard}.yml"


def sharded(config: dict[str, Any], shard: int) -> dict[str, Any]:
    """Return the configuration of both Prometheus of one shard.

    Each target is one shard's, as the hash of its address says. Only the Prometheus themselves are
    always the other shard's: so it is seen, and said, when a whole shard is away.

    No Prometheus sees all, so none judges anything.

    Args:
        config: what the shards have in common, as of `scaled`; the targets of the job `prometheus`
            are the pair of the first shard and that of the second.
        shard: 1 or 2.
    """
    found = copy.deepcopy(config)
    found["global"]["external_labels"][SHARD_LABEL] = f"{shard}"
    del found["rule_files"], found["alerting"]
    for job in found["scrape_configs"]:
        if job["job_name"] == "prometheus":
            own, others = LETTERS[shard], job["static_configs"][0]
            of_all = zip(letters(len(SHARDS)), others["targets"], strict=True)
            others["targets"] = [target for letter, target in of_all if letter not in own]
        else:
            job["relabel_configs"] = [*job.get("relabel_configs", []), *_share(shard)]
    return found


def ruled(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a rules file as Thanos Ruler has to read it.

    What one of a pair does not answer, the other does, and the rule goes on.

    Args:
        rules: the content of Prometheus' own file.
    """
    groups = copy.deepcopy(rules["groups"])
    for group in groups:
        group["partial_response_strategy"] = "warn"
        for rule in group["rules"]:
            rule["expr"] = _IN_RULER.get(rule.get("alert"), rule["expr"])
    return {"groups": groups}


def write_shards(plan: Plan) -> None:
    """Write each shard's configuration beside the one that they have in common."""
    folder = plan.config / "prometheus"
    common = yaml.safe_load((folder / "prometheus.yml").read_text(encoding="utf-8"))
    for shard in SHARDS[: plan.shards]:
        text = yaml.safe_dump(sharded(common, shard), sort_keys=False, width=1000)
        (folder / file_of(shard)).write_text(_HEADER + text, encoding="utf-8")


def _share(shard: int) -> list[dict[str, Any]]:
    return [
        {
            "source_labels": ["__address__"],
            "modulus": len(SHARDS),
            "target_label": _HASH,
            "action": "hashmod",
        },
        {"source_labels": [_HASH], "regex": f"{SHARDS.index(shard)}", "action": "keep"},
    ]
