"""Metrics are missing: targets that are down, absent or refused, and workers that do not share."""

from __future__ import annotations

from typing import Any

import yaml

from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources, listed

# What Prometheus says of a scrape, what that means, and what mends it.
_CAUSES = (
    ("HTTP status 401", "refuses Prometheus' token", "token"),
    ("HTTP status 403", "refuses Prometheus' token", "token"),
    ("sample limit exceeded", "exposes more samples than prometheus.yml allows", "series"),
    ("label", "has more or longer labels than prometheus.yml allows", "series"),
    ("connection refused", "is down: nothing listens", "log"),
    ("no such host", "is down: its name is not known", "log"),
    ("deadline exceeded", "hangs: no answer within the scrape's timeout", "log"),
    ("timeout", "hangs: no answer within the scrape's timeout", "log"),
)
_RESETS = 3
# Seconds after its start in which a process takes what it needs; the alert waits, too.
_SETTLED = 600.0


def targets(sources: Sources) -> Report:
    """Look at each target's last scrape."""
    active = sources.prometheus("targets", state="active")["activeTargets"]
    problems = [
        _down(sources, each) for each in active if each["health"] == "down" or each["lastError"]
    ]
    waiting = [each["labels"]["service"] for each in active if each["health"] == "unknown"]
    problems += [
        Problem(f"{name} was never scraped", mends.log("prometheus")) for name in sorted(waiting)
    ]
    up = sum(each["health"] == "up" for each in active)
    return Report(f"{up} of {len(active)} targets are up", problems)


def _down(sources: Sources, target: Any) -> Problem:
    service, said = target["labels"].get("service", target["scrapePool"]), target["lastError"]
    cause, mend = next(
        ((cause, mend) for text, cause, mend in _CAUSES if text in said),
        ("cannot be scraped", "log"),
    )
    if mend == "token":
        cause += _whose_token(sources, service)
    mended = {
        "token": mends.anew(sources.plan),
        "series": mends.query(sources.plan, 'topk(10, count by (__name__, job) ({job!=""}))'),
        "log": mends.log(service),
    }
    return Problem(f"{service} {cause} ({target['scrapeUrl']}: {said})", mended[mend])


def _whose_token(sources: Sources, service: str) -> str:
    """Say whether the service or Prometheus has another token than the file."""
    file = sources.plan.secrets / "metrics_token"
    try:
        token = file.read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}"}
        status = sources.answer(sources.services[service], "/metrics", headers=headers).status_code
    except (OSError, KeyError, NotCheckedError):
        return ""
    if status == 200:
        return f"; the service takes that of {file}, so Prometheus has another"
    return f"; the service does not take that of {file} either, so it was started with another"


def listed_targets(sources: Sources) -> Report:
    """Compare what should be scraped with what is."""
    plan = sources.plan
    file = plan.root / "prometheus" / "targets" / "services.yaml"
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
        wanted = {each["labels"]["service"] for each in entries}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise NotCheckedError(f"{file} cannot be read: {error}") from error
    wanted |= {"prometheus", "alertmanager", "jaeger"}
    active = sources.prometheus("targets", state="active")["activeTargets"]
    there = {each["labels"].get("service") for each in active}
    problems = [
        Problem(
            f"{name} is not scraped at all: it is no target, though {file.name} or prometheus.yml "
            "names it",
            f"diff -r prometheus {plan.config / 'prometheus'}; {mends.anew(plan)}",
        )
        for name in sorted(wanted - there)
    ]
    return Report(f"{len(wanted & there)} of {len(wanted)} services are targets", problems)


def limits(sources: Sources) -> Report:
    """Count the scrapes that were refused for their size."""
    names = (
        "prometheus_target_scrapes_exceeded_sample_limit_total",
        "prometheus_target_scrape_pool_exceeded_label_limits_total",
    )
    window = sources.window(300)
    refused = 0.0
    for name in names:
        refused += sum(each.value for each in sources.query(f"increase({name}[{window}])"))
    problems = [
        Problem(
            f"Prometheus refused {refused:.0f} scrapes in {window}: too many samples or labels",
            mends.query(sources.plan, "sort_desc(scrape_samples_scraped)"),
        )
    ]
    return Report(f"{refused:.0f} scrapes refused in {window}", problems if refused > 0.5 else [])


def workers(sources: Sources) -> Report:
    """See whether counters fall from scrape to scrape: each worker then answers for itself."""
    window = sources.window(300)
    jumping = sources.query(
        f"max by (service) (resets(log_entries_total[{window}])) >= {_RESETS} "
        f"and max by (service) (changes(up[{window}])) == 0"
    )
    problems = [
        Problem(
            f"counters of {each.labels['service']} fell {each.value:.0f} times in {window} while "
            "it was up: its workers do not share their metrics (they do under "
            "`gunicorn -c python:stack.web.gunicorn`, with room in its temporary folder), or end "
            "again and again",
            mends.log(each.labels["service"]),
        )
        for each in jumping
    ]
    serving = sources.query("count by (service) (http_server_max_active_requests)")
    if not serving:
        raise NotCheckedError("no service's own metrics are there")
    return Report(f"counters only rise in {len(serving)} services ({window})", problems)


def series(sources: Sources) -> Report:
    """Hold each target's samples against the budget, and name the largest metrics."""
    budget = sources.threshold("scrape_samples:count", 5000)
    samples = sources.query("sort_desc(max by (service) (scrape_samples_post_metric_relabeling))")
    jobs = sources.query("sort_desc(sum by (job) (scrape_samples_post_metric_relabeling))")
    head = sources.prometheus("status/tsdb", limit=5)
    largest = ", ".join(f"{e['name']} {e['value']}" for e in head["seriesCountByMetricName"][:3])
    problems = [
        Problem(
            f"{each.labels['service']} exposes {each.value:.0f} samples, the budget is "
            f"{budget:.0f}; the largest metrics: {largest}",
            mends.query(
                sources.plan,
                f'topk(10, count by (__name__) ({{service="{each.labels["service"]}"}}))',
            ),
        )
        for each in samples
        if each.value > budget
    ]
    count = head["headStats"]["numSeries"]
    return Report(
        f"{count} series; samples by job: {listed(jobs, 'job')}; the largest metrics: {largest}",
        problems,
    )


def memory(sources: Sources) -> Report:
    """Compare each process's memory with its least of the last hour, as MemoryGrowing does."""
    ratio = sources.threshold("process_memory_growth:ratio", 1.5)
    least_growth = sources.threshold("process_memory_growth:bytes", 5e7)
    held = sources.query("max by (service) (process_resident_memory_bytes)")
    least = {
        each.labels.get("service"): each.value
        for each in sources.query("min by (service) (instance:process_resident_memory_bytes:min1h)")
    }
    if not held:
        raise NotCheckedError("no process's memory is known to Prometheus")
    young = {
        each.labels["service"]
        for each in sources.query(
            "min by (service) (time() - process_start_time_seconds) "
            f"< {_SETTLED / sources.plan.speed:g}"
        )
    }
    problems = []
    for each in held:
        name = each.labels["service"]
        before = least.get(name, each.value)
        # Whoever has just started grows.
        grown = each.value > ratio * before and each.value - before > least_growth
        if grown and name not in young:
            problems.append(
                Problem(
                    f"{name} holds {each.value / 1e6:.0f} MB, {each.value / before:.1f} times "
                    f"its least of the last hour ({before / 1e6:.0f} MB); {ratio:g} times is "
                    "acceptable",
                    mends.query(
                        sources.plan, f'process_resident_memory_bytes{{service="{name}"}}[10m]'
                    ),
                )
            )
    megabytes = sorted(
        ((each.labels["service"], each.value / 1e6) for each in held), key=lambda e: -e[1]
    )
    shown = ", ".join(f"{name} {value:.0f} MB" for name, value in megabytes)
    return Report(shown, problems)
