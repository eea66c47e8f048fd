"""Keep what one instance of a service exposes, and one request's spans, of the running stack.

    make up MODE=local
    .venv/bin/python -m benchmarks.instance

`instance.txt`, an answer of gateway, is what `benchmarks.fake_instances` repeats; `request.json`
what spans are made of.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx

from stack.ops import modes
from stack.ops.terminal import plan_in

EXPOSED = Path(__file__).with_name("instance.txt")
REQUEST = Path(__file__).with_name("request.json")
# What Prometheus asks for.
ACCEPT = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"


def main() -> None:
    """Write both files."""
    run_dir = os.environ.get("STACK_RUN_DIR")
    plan = modes.running_plan(plan_in(Path(run_dir) if run_dir else None))
    if plan is None:
        raise SystemExit("nothing runs whose series could be kept; `make up MODE=local` starts it")
    token = (plan.secrets / "metrics_token").read_text(encoding="utf-8").strip()
    exposed = httpx.get(
        plan.url("GATEWAY_PORT", "/metrics"),
        headers={"accept": ACCEPT, "authorization": f"Bearer {token}"},
        timeout=30,
    )
    exposed.raise_for_status()
    EXPOSED.write_text(exposed.text, encoding="utf-8")
    where = plan.url("JAEGER_QUERY_PORT", "/api/traces")
    asked = {"service": "gateway", "operation": "POST /ask", "limit": "20"}
    traces = httpx.get(where, params=asked, timeout=30).json()["data"]
    spans = max(traces, key=lambda each: len(each["spans"]))["spans"]
    kept = [
        {"name": each["operationName"], "tags": {tag["key"]: tag["value"] for tag in each["tags"]}}
        for each in spans
    ]
    REQUEST.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"{len(exposed.text):,} bytes, {len(kept)} spans")


if __name__ == "__main__":
    main()
