"""What tracing tells the other pillars: how many spans went where."""

from __future__ import annotations

from stack.broadcast import Broadcast

# Called with outcome (exported, dropped, failed) and count.
_spans: Broadcast[str, int] = Broadcast()
subscribe = _spans.subscribe
publish = _spans.publish
