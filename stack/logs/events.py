"""What the logs tell the other pillars: who wrote a line, and at which level."""

from __future__ import annotations

from stack.broadcast import Broadcast

# Called with component and level. Logging a listener's failure would come here again.
_lines: Broadcast[str, str] = Broadcast(complain=False)
subscribe = _lines.subscribe
publish = _lines.publish

# Called with the level of a line that was counted, but not written because it repeats others.
_held: Broadcast[str] = Broadcast(complain=False)
subscribe_held = _held.subscribe
publish_held = _held.publish
