"""Log lines that belong together: context, events and a timed block.

Shows: `LogContext` gives every line of a block its fields, also those written by functions that
know nothing of it; `log_event` names what happened; `LogPerformance` says how long it took.

Look for: `request_id` is in every line of a request and in none after it; the inner block's
`order` ends with that block; a field whose name looks like a secret is redacted by itself.

You want it when you ask "what else happened to this request?": filter by `request_id`.
"""

import time

import stack

# Without a running stack there is nobody to send spans to; a service leaves `settings` out.
stack.setup("shop", settings=stack.Settings(traces_exporter="none"))
log = stack.get_logger("shop.orders")


def reserve(item: str) -> None:
    """Take an item from the shelf; its lines carry the caller's context."""
    with stack.LogPerformance("reserve_stock", item=item):
        time.sleep(0.01)
    log.debug("not written: the level is info")


def handle(request_id: str, order: int, items: list[str], token: str) -> None:
    """Serve one request."""
    with stack.LogContext(request_id=request_id):
        stack.log_event("order_received", items=len(items))
        with stack.LogContext(order=order):
            for item in items:
                reserve(item)
            log.warning("card is about to expire", card_token=token, days_left=3)
        stack.log_event("order_answered", message="202 Accepted")


if __name__ == "__main__":
    print("Two requests, as the service writes them:\n")
    handle("req-1", 1001, ["lamp", "cable"], "tok_4242")
    handle("req-2", 1002, ["chair"], "tok_1881")
    stack.log_event("idle", message="no request, so no request_id")
    print(f"\nContext after the last block: {stack.get_current_context()}")
