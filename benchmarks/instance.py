"""Keep what one instance of a service exposes, and one request's spans, of the running stack.

    make up MODE=local
    .venv/bin/python -m benchmarks.instance

`instance.txt` is what `benchmarks.fake_instances` repeats; `request.json` what spans are made of.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx

from stack.ops import modes
from stack.ops.terminal import plan_in

EXPOSED = Path(__file__).with_name("instance.txt")
REQUEST = Path(__file__).with_name("request.json")
# Put there by Prometheus, not by the service.
_ADDED = {"__name__", "instance", "job", "service"}
_MADE = ("up", "scrape_")


def main() -> None:
    """Write both files."""
    run_dir = os.environ.get("STACK_RUN_DIR")
    plan = modes.running_plan(plan_in(Path(run_dir) if run_dir else None))
    if plan is None:
        raise SystemExit("nothing runs whose series could be kept; `make up MODE=local` starts it")
    asked = {"query": '{service="gateway", job="services", __name__!~"ALERTS.*|.*:.*"}'}
    found = httpx.get(plan.url("PROMETHEUS_PORT", "/api/v1/query"), params=asked, timeout=30)
    lines = [_line(each) for each in found.json()["data"]["result"] if _own(each)]
    EXPOSED.write_text("".join(sorted(lines)), encoding="utf-8")
    where = plan.url("JAEGER_QUERY_PORT", "/api/traces")
    asked = {"service": "gateway", "operation": "POST /ask", "limit": "20"}
    traces = httpx.get(where, params=asked, timeout=30).json()["data"]
    spans = max(traces, key=lambda each: len(each["spans"]))["spans"]
    kept = [
        {"name": each["operationName"], "tags": {tag["key"]: tag["value"] for tag in each["tags"]}}
        for each in spans
    ]
    REQUEST.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"{len(lines)} series, {len(kept)} spans")


def _own(series: dict[str, Any]) -> bool:
    return not series["metric"]["__name__"].startswith(_MADE)


def _line(series: dict[str, Any]) -> str:
    labels = series["metric"]
    pairs = ",".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(labels.items())
        if name not in _ADDED
    )
    return f"{labels['__name__']}{{{pairs}}} {series['value'][1]}\n"


if __name__ == "__main__":
    main()
