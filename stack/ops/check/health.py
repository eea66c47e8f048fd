"""Whether the service says how it is."""

from __future__ import annotations

import json

from stack.ops.check.point import Verdict, fails, ok, point
from stack.ops.check.visit import Visit


@point(
    "health.live",
    "`GET /healthz` answers 200 within a second while the process lives, without a token.",
    "answer 200 on /healthz without looking at anything else",
)
def live(visit: Visit) -> Verdict:
    """Ask for its health."""
    answer = visit.ask("GET", "/healthz")
    seen = f"{answer.status} in {answer.seconds * 1000:.0f} ms"
    return ok(seen) if answer.status == 200 and answer.seconds <= 1 else fails(seen)


@point(
    "health.ready",
    "`GET /readyz` answers 200, or 503 with JSON that says what is missing.",
    'answer 200 on /readyz when requests can be served, else 503 with {"checks": {…}}',
)
def ready(visit: Visit) -> Verdict:
    """Ask whether it can work."""
    answer = visit.ask("GET", "/readyz")
    if answer.status == 200:
        return ok("200")
    if answer.status != 503:
        return fails(f"{answer.status}")
    try:
        said = json.loads(answer.text)
    except ValueError:
        said = None
    seen = f"503 {answer.text}"
    return ok(seen) if isinstance(said, dict) and said else fails(seen)


POINTS = (live, ready)
