"""What observes: targets, spans, Prometheus, Alertmanager, Jaeger, Grafana themselves."""

from __future__ import annotations

from stack.ops.dashboards import judged, look, panels, parts
from stack.ops.dashboards.board import Board
from stack.ops.dashboards.panels import Meaning, Panel, Query
from stack.ops.dashboards.rules import Rules

_TARGET = "{{service}} ({{job}})"
_ONE = "only pairs have it"
_FIRST, _LIMIT = "at the first", "where the tile turns"
# Title, meaning, when the alert fires, unit, how several are one number, and words for values.
_PAIRS = {
    "ThanosQueryIncomplete": (
        "Stores not asked",
        "Sidecars, stores and rulers that run and to which Thanos' query has no connection;",
        _FIRST,
        look.COUNT,
        "sum",
        look.NOTHING,
    ),
    "ThanosUploadFailing": (
        "Failed uploads",
        "Tries of 10 minutes to upload blocks that failed;",
        "where none went well",
        look.COUNT,
        "sum",
        look.NOTHING,
    ),
    "ThanosBucketFailing": (
        "Bucket's failures",
        "Share of Thanos' requests of 5 minutes to the bucket that failed, of the worst kind;",
        _LIMIT,
        look.RATIO,
        "max",
        look.NOTHING,
    ),
    "ThanosCompactionHalted": (
        "Compactor",
        "Whether Thanos' compactor works;",
        "where it has halted",
        look.NUMBER,
        "max",
        look.HALTED,
    ),
    "ThanosAlertsLost": (
        "Ruler's alerts lost",
        "Alerts of objectives that in 2 minutes found no Alertmanager;",
        _FIRST,
        look.COUNT,
        "sum",
        look.NOTHING,
    ),
    "BalancerErrors": (
        "Balancer's errors",
        "Share of the requests of a minute to a service that the balancer could hand to nobody;",
        _LIMIT,
        look.RATIO,
        "max",
        look.NOTHING,
    ),
}


def build(rules: Rules) -> Board:
    """Lay it out."""
    board = Board(
        "telemetry",
        "Telemetry health",
        "Can what the other dashboards show be believed?",
        since="now-1h",
    )
    _top(board, rules)
    board.add(parts.up_now(), height=8)
    board.row("Targets")
    _targets(board, rules)
    board.row("Spans")
    _spans(board, rules)
    board.row("Series and memory")
    _series(board, rules)
    board.row("Prometheus, Alertmanager and Grafana")
    _tools(board, rules)
    board.row("Pairs: Thanos and the balancer")
    _pairs(board, rules)
    return board


def _top(board: Board, rules: Rules) -> None:
    board.add(
        judged.targets_down(rules, "How many targets do not answer."),
        judged.counted(
            rules,
            "TargetMissing",
            Meaning(
                "Targets missing",
                "How many services were targets within the last hour and are none now; "
                "TargetMissing fires.",
                look.COUNT,
            ),
            judged.measured(rules, "TargetMissing"),
        ),
        _done(rules, "PrometheusConfigReloadFailed", "Prometheus' files"),
        _done(rules, "AlertmanagerConfigReloadFailed", "Alertmanager's files"),
        judged.tile(
            rules,
            "PrometheusRuleFailing",
            Meaning(
                "Rules failing",
                "Evaluations of rules that failed in 5 minutes; PrometheusRuleFailing fires.",
                look.COUNT,
            ),
            summary="sum",
            names=look.NOTHING,
        ),
        judged.tile(
            rules,
            "PrometheusStorageFailing",
            Meaning(
                "Storage failing",
                "Failures of Prometheus' storage in the last hour; PrometheusStorageFailing fires.",
                look.COUNT,
            ),
            summary="sum",
            names=look.NOTHING,
        ),
        height=4,
    )


def _done(rules: Rules, alert: str, title: str) -> Panel:
    text = (
        f"Whether the last reload was taken; if not, it goes on with the old ones, {alert} fires."
    )
    return panels.tile(
        Meaning(title, text, look.NUMBER),
        Query(rules.alert(alert).measured),
        thresholds=look.steps(base=look.GREY),
        names=look.DONE,
    )


def _targets(board: Board, rules: Rules) -> None:
    board.add(
        judged.lines(
            rules,
            "TargetFlapping",
            Meaning(
                "Coming and going",
                "How often a target came or went in 15 minutes; above the line TargetFlapping "
                "fires.",
                look.COUNT,
            ),
            _TARGET,
        ),
        panels.lines(
            Meaning("Scrapes", "Seconds that a scrape of each target takes.", look.SECONDS),
            Query("max by (service, job) (scrape_duration_seconds)", _TARGET),
        ),
        judged.lines(
            rules,
            "ScrapeLimitExceeded",
            Meaning(
                "Refused scrapes",
                "Scrapes of 5 minutes that were refused as a whole for too many samples or "
                "labels; ScrapeLimitExceeded fires at the first.",
                look.COUNT,
            ),
            "{{service}}",
        ),
        height=10,
    )


def _spans(board: Board, rules: Rules) -> None:
    board.add(
        parts.spans("", "all services"),
        judged.lines(
            rules,
            "SpansLost",
            Meaning(
                "Lost spans",
                "Share of the spans of 2 minutes that did not reach Jaeger; above the line "
                "SpansLost fires.",
                look.RATIO,
                empty="none lost",
            ),
            "{{service}}",
        ),
        judged.lines(
            rules,
            "JaegerSpansRefused",
            Meaning(
                "Refused by Jaeger",
                "Share of the spans of 5 minutes that Jaeger did not keep; above the line "
                "JaegerSpansRefused fires.",
                look.RATIO,
                empty="only Jaeger itself counts this",
            ),
            "{{service}}",
        ),
        judged.lines(
            rules,
            "JaegerSpansWaiting",
            Meaning(
                "Wait of spans",
                "Seconds until a collector of pairs has stored what waits in it, at the rate of 2 "
                "minutes; above the line JaegerSpansWaiting fires.",
                look.SECONDS,
                empty=_ONE,
            ),
            "{{instance}} {{exporter}}",
        ),
        height=8,
    )


def _series(board: Board, rules: Rules) -> None:
    board.add(
        judged.lines(
            rules,
            "SeriesBudgetExceeded",
            Meaning(
                "Samples of a scrape",
                "How many series each target exposes; above the line SeriesBudgetExceeded fires.",
                look.COUNT,
            ),
            _TARGET,
        ),
        panels.lines(
            Meaning("Series", "Series that Prometheus holds in memory.", look.COUNT),
            Query("prometheus_tsdb_head_series", "{{service}}"),
        ),
        judged.lines(
            rules,
            "MemoryGrowing",
            Meaning(
                "Growth of memory",
                "Memory of each process as a multiple of its least in the last hour; above the "
                "line MemoryGrowing fires.",
                look.NUMBER,
            ),
            _TARGET,
        ),
        height=8,
    )


def _tools(board: Board, rules: Rules) -> None:
    failing = judged.measured(rules, "PrometheusRuleFailing")
    board.add(
        panels.lines(
            Meaning(
                "Rules failing",
                "Evaluations of rules that failed in 5 minutes, by group.",
                look.COUNT,
            ),
            # Prometheus puts the file's path before a group's name.
            Query(f'label_replace({failing}, "group", "$1", "rule_group", ".*;(.*)")', "{{group}}"),
            limits=[judged.limit(rules, "PrometheusRuleFailing")],
        ),
        panels.lines(
            Meaning("Memory", "Memory that each program holds.", look.BYTES),
            Query("sum by (service) (process_resident_memory_bytes)", "{{service}}"),
        ),
        judged.lines(
            rules,
            "GrafanaErrors",
            Meaning(
                "Grafana's errors",
                "Share of Grafana's answers of 5 minutes that are 5xx; above the line "
                "GrafanaErrors fires.",
                look.RATIO,
                empty="no errors, or Grafana does not run",
            ),
            "{{service}}",
        ),
        height=8,
    )


def _pairs(board: Board, rules: Rules) -> None:
    board.add(
        *(
            judged.tile(
                rules,
                alert,
                Meaning(title, f"{text} {alert} fires {where}.", unit, empty=_ONE),
                summary=summary,
                names=names,
                base=look.GREY,
            )
            for alert, (title, text, where, unit, summary, names) in _PAIRS.items()
        ),
        height=4,
    )
