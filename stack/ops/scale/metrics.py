"""The metrics' side of local mode at scale: pairs of Prometheus, Thanos over them, a bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stack.ops.added import variable_of
from stack.ops.binaries import Binaries
from stack.ops.components import Component, Plan, alertmanager, prometheus
from stack.ops.scale.ports import PAIR
from stack.ops.scale.prometheus import REPLICA_LABEL, REPLICA_VARIABLE
from stack.ops.scale.shards import SHARD_LABEL, file_of, letters, prometheus_name, shard_of

# The first of the pair is that of the one machine, with its port and its data.
_NAMES = {"a": "alertmanager", "b": "alertmanager-b"}
# Thanos takes up finished blocks, so no block may change any more: Prometheus does not compact.
_BLOCK = "2h"
_SCRAPED_AND_JUDGED = 5.0


def prometheus_pairs(plan: Plan, binaries: Binaries) -> list[Component]:
    """Two that scrape and judge the same; or two for each shard, which only scrape."""
    return [
        replace(
            each := prometheus(plan, binaries, prometheus_name(letter), _file(plan, letter)),
            command=(
                *each.command,
                f"--storage.tsdb.min-block-duration={_BLOCK}",
                f"--storage.tsdb.max-block-duration={_BLOCK}",
            ),
            environment={REPLICA_VARIABLE: letter},
        )
        for letter in letters(plan.shards)
    ]


def _file(plan: Plan, letter: str) -> str:
    return file_of(shard_of(letter)) if plan.shards > 1 else "prometheus.yml"


def alertmanager_pair(plan: Plan, binaries: Binaries) -> list[Component]:
    """Two that tell each other what they have sent."""
    found = []
    for letter, other in zip(PAIR, reversed(PAIR), strict=True):
        name = _NAMES[letter]
        own, peer = (f"{_NAMES[each]}-cluster" for each in (letter, other))
        gossip = (
            f"--cluster.listen-address={plan.bind(variable_of(own))}",
            f"--cluster.peer={plan.bind(variable_of(peer))}",
            # How long the second waits for word of the first before it sends, too.
            f"--cluster.peer-timeout={max(3.0, 15 / plan.speed):g}s",
        )
        found.append(alertmanager(plan, binaries, name, gossip))
    return found


def thanos(plan: Plan, program: Path) -> list[Component]:
    """What reads all, keeps blocks in the bucket, and judges what one Prometheus cannot."""
    bucket = f"--objstore.config-file={plan.root / 'thanos' / 'folder.yml'}"
    sidecars = [f"sidecar-{letter}" for letter in letters(plan.shards)]
    endpoints = [plan.bind(variable_of(f"{name}-grpc")) for name in (*sidecars, "store")]
    alertmanagers = (plan.url("ALERTMANAGER_PORT"), plan.url("ALERTMANAGER_B_PORT"))
    rules = plan.config / "thanos"
    judged = [rules / "rules" / "slo-*.rules.yml"]
    if plan.shards > 1:
        # No Prometheus sees all targets.
        judged.append(rules / "generated" / "rules" / "*.rules.yml")
    stores = [
        *(_sidecar(plan, program, letter, bucket) for letter in letters(plan.shards)),
        _component(
            plan,
            program,
            "store",
            "blocks in the bucket",
            bucket,
            f"--sync-block-duration={60 / plan.speed:g}s",
            data=True,
        ),
        _component(
            plan,
            program,
            "rule",
            "rules over all Prometheus" if plan.shards > 1 else "objectives over all Prometheus",
            bucket,
            f"--query={plan.url('QUERY_PORT')}",
            *(f"--rule-file={each}" for each in judged),
            f"--eval-interval={max(1.0, _SCRAPED_AND_JUDGED / plan.speed):g}s",
            f"--resend-delay={plan.resend_delay}s",
            *(f"--alertmanagers.url={each}" for each in alertmanagers),
            f"--alert.query-url={plan.metrics_url}",
            f"--alert.label-drop={REPLICA_LABEL}",
            '--label=stack="local"',
            f'--label={REPLICA_LABEL}="rule"',
            data=True,
        ),
    ]
    readers = [
        _component(
            plan,
            program,
            "query",
            "all metrics, each once",
            f"--query.replica-label={REPLICA_LABEL}",
            # A series is the same whichever shard has it, or had it.
            f"--query.replica-label={SHARD_LABEL}",
            *(f"--endpoint={each}" for each in [*endpoints, plan.bind("RULE_GRPC_PORT")]),
            # What hangs is left out before a person gives up.
            "--store.response-timeout=2s",
            "--query.timeout=30s",
        ),
        _component(
            plan,
            program,
            "query-frontend",
            "all metrics (Prometheus' API)",
            f"--query-frontend.downstream-url={plan.url('QUERY_PORT')}",
            grpc=False,
        ),
        _component(
            plan,
            program,
            "compact",
            "larger and coarser blocks",
            bucket,
            "--wait",
            # Blocks that overlap are joined; otherwise it would halt at them.
            "--compact.enable-vertical-compaction",
            "--retention.resolution-raw=32d",
            "--retention.resolution-5m=180d",
            "--retention.resolution-1h=2y",
            data=True,
            grpc=False,
        ),
    ]
    return [*stores, *readers]


def _sidecar(plan: Plan, program: Path, letter: str, bucket: str) -> Component:
    name = prometheus_name(letter)
    return _component(
        plan,
        program,
        f"sidecar-{letter}",
        "",
        bucket,
        f"--prometheus.url={plan.url(variable_of(name))}",
        f"--tsdb.path={plan.data / name}",
        # What the one machine had put together is read from the bucket, too, also where it was
        # one machine again for a while, and has put together what is there already.
        "--shipper.upload-compacted",
        "--shipper.allow-out-of-order-uploads",
    )


def _component(
    plan: Plan,
    program: Path,
    name: str,
    shows: str,
    *options: str,
    data: bool = False,
    grpc: bool = True,
) -> Component:
    """Return one of Thanos' processes; `sidecar-a` is the command `sidecar`."""
    port = variable_of(name)
    command = "sidecar" if name.startswith("sidecar-") else name
    return Component(
        name,
        (
            str(program),
            command,
            "--log.level=warn",
            "--log.format=json",
            f"--http-address={plan.bind(port)}",
            "--http-grace-period=1s",
            *(
                (
                    f"--grpc-address={plan.bind(variable_of(f'{name}-grpc'))}",
                    "--grpc-grace-period=1s",
                )
                if grpc
                else ()
            ),
            *((f"--data-dir={plan.data / name}",) if data else ()),
            *options,
        ),
        plan.url(port, "/-/ready"),
        plan.url(port) if shows else "",
        shows,
        {"BUCKET_DIR": str(plan.data / "bucket")},
    )
