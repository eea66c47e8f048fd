"""Four ways to go on without a dependency: cached, queued for retry, degraded, fail fast.

Shows: four dependencies, each with the fallback that fits it, before, during and after an outage.

Look for: in the outage two calls of each fail and two are refused, and visitors hardly see it:
the last known rate, a mail that goes out later, bestsellers in place of tips of their own. Only
the payment says no: at once, and when the breaker is open, with a time to come back.

You want it when you decide what your service does while another one is down. Cached: an old
answer is still one (rates, catalogues). Queued: it may happen later, but must (mails, webhooks).
Degraded: a plainer answer will do (tips, search). Fail fast: none is better than a wrong one.
"""

import math
import time
from collections import deque
from functools import partial

import stack


class Network:
    """Stands in for all that is asked over the network."""

    is_up = True

    def ask(self, answer: str) -> str:
        """Return the answer, if anybody is there to give it."""
        if not self.is_up:
            raise ConnectionError("no answer")
        return answer


network = Network()
cache = {"rate": "unknown"}
outbox: deque[str] = deque()

breaker = partial(stack.CircuitBreaker, failure_threshold=2, timeout_seconds=0.5)
rates = breaker("rates", fallback=lambda _: f"{cache['rate']} cached")
mailer = breaker("mailer")
tips = breaker("tips", fallback=lambda _: "bestsellers")
payments = breaker("payments")


@rates
def rate() -> str:
    """Cached: the last known answer, by the breaker's fallback."""
    cache["rate"] = network.ask("1.17")
    return cache["rate"]


@tips
def tip() -> str:
    """Degraded: the same for all, by the breaker's fallback."""
    return network.ask("for you")


def send(mail: str) -> str:
    """Queued: kept until the mailer takes it, the oldest first."""
    outbox.append(mail)
    try:
        while outbox:
            mailer.call(network.ask, outbox[0])
            outbox.popleft()
    except (ConnectionError, stack.CircuitBreakerOpenError):
        return f"{len(outbox)} queued"
    return "sent"


def pay() -> str:
    """Fail fast: an error that says when to come back."""
    try:
        return payments.call(network.ask, "paid")
    except ConnectionError:
        return "502 not paid"
    except stack.CircuitBreakerOpenError as refusal:
        return f"503 after {math.ceil(refusal.retry_after)} s"


if __name__ == "__main__":
    print("network  cached       queued    degraded     fail fast    payments' breaker")
    for visit in range(1, 8):
        network.is_up = visit not in {2, 3, 4, 5}
        if visit == 6:
            time.sleep(payments.stats().retry_after)
        row = f"{rate():<11}  {send(f'mail {visit}'):<8}  {tip():<11}"
        print(f"{'up' if network.is_up else 'down':<7}  {row}  {pay():<11}  {payments.state.value}")
    print(f"\nmails lost: {len(outbox)}; calls spared, all four: ", end="")
    print(sum(each.stats().rejected for each in (rates, mailer, tips, payments)))
