"""A trace: one order, three steps, what happened in each, and Jaeger's JSON of it.

Shows: `span_context` makes a span current, so that spans begun inside of it become its children;
events say what happened when; an exception marks its span as failed and goes on.

Look for: the tree. The card was charged at the second attempt, the mail failed, and the order
went through all the same: a failed step does not fail its parent.

You want it when you ask where the time went. With a file's name as argument the JSON goes there;
Jaeger's page loads it under "Upload". A service needs none of that: its spans go to Jaeger.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import stack

# Without a running stack there is nobody to send spans to; a service leaves `settings` out.
stack.setup("shop", settings=stack.Settings(traces_exporter="none"))
tracer = stack.get_otel_tracer()


def place_order() -> None:
    """Reserve, charge, confirm."""
    with tracer.span_context("place order", {"order": 1001, "items": ["lamp", "cable"]}) as order:
        with tracer.span_context("reserve stock", {"warehouse": "north"}):
            time.sleep(0.01)
        with tracer.span_context("charge card") as charge:
            charge.add_event("declined", {"attempt": 1, "reason": "timeout"})
            time.sleep(0.02)
            charge.add_event("accepted", {"attempt": 2})
            charge.set_attribute("cents", 1990)
        try:
            with tracer.span_context("send mail"):
                raise ConnectionError("mail server does not answer")
        except ConnectionError:
            order.add_event("mail postponed")


def print_tree(spans: list[dict[str, Any]], parent: str | None = None, indent: str = "") -> None:
    """Print spans below their parents, each with its events."""
    for span in spans:
        if parent != next((each["spanID"] for each in span["references"]), None):
            continue
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        status = f"failed: {tags['otel.status_description']}" if "error" in tags else "ok"
        name = f"{indent}{span['operationName']}"
        print(f"{name:<18}{span['duration'] / 1000:6.1f} ms  {status}")
        for log in span["logs"]:
            event, *fields = log["fields"]
            said = [f"{f['key']}={f['value']}" for f in fields if event["value"] != "exception"]
            print(f"{indent}  · {event['value']}", *said)
        print_tree(spans, span["spanID"], indent + "  ")


if __name__ == "__main__":
    place_order()
    exported = tracer.export_jaeger_format()
    (trace,) = exported["data"]
    print_tree(trace["spans"])
    print(f"\nTrace {trace['traceID']} in Jaeger's form:\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(exported), encoding="utf-8")
        print(f"written to {sys.argv[1]}")
    else:
        print(json.dumps(exported))
