"""A circuit breaker around a payment: while the provider is down, payments wait their turn.

Shows: calls through a breaker, a queue as the fallback, and its settlement after the recovery.

Look for: the provider is asked by the first three payments of the outage only. From then on the
breaker answers at once, nobody waits for a provider that is down, and no payment is lost: two
probes close the breaker, and what was queued is charged once.

You want it when a call may be made later: payments, mails, webhooks, uploads.
"""

import time
from collections import deque
from dataclasses import dataclass

import stack


@dataclass(frozen=True)
class Payment:
    """What a customer owes for an order."""

    order: int
    cents: int


class Provider:
    """Stands in for the payment provider's client."""

    def __init__(self) -> None:
        self.is_up = True
        self.asked = 0
        self.charged: dict[int, int] = {}

    def charge(self, payment: Payment) -> None:
        """Charge once: the order is the key by which the provider knows a repeated payment."""
        self.asked += 1
        if not self.is_up:
            raise ConnectionError("the provider does not answer")
        self.charged.setdefault(payment.order, payment.cents)


provider = Provider()
waiting: deque[Payment] = deque()
breaker = stack.CircuitBreaker("payments", failure_threshold=3, timeout_seconds=0.5)


def pay(payment: Payment) -> str:
    """Charge now, or later if the provider cannot."""
    try:
        breaker.call(provider.charge, payment)
    except (ConnectionError, stack.CircuitBreakerOpenError):
        waiting.append(payment)
        return "queued"
    return "paid"


def settle() -> None:
    """Charge what waits, the oldest first; a payment leaves the queue when it is charged."""
    while waiting:
        breaker.call(provider.charge, waiting[0])
        payment = waiting.popleft()
        print(f"{payment.order:>5}  {payment.cents / 100:6.2f}  settled  {breaker.state.value}")


if __name__ == "__main__":
    print("order   total  outcome  breaker    provider asked")
    for order in range(1001, 1008):
        provider.is_up = order < 1003
        payment = Payment(order, cents=order * 7 % 5000)
        outcome = pay(payment)
        total = f"{payment.cents / 100:6.2f}"
        print(f"{order:>5}  {total}  {outcome:<7}  {breaker.state.value:<9}  {provider.asked}")

    print(f"\n{len(waiting)} wait; the provider recovers, and the breaker's wait ends")
    provider.is_up = True
    time.sleep(breaker.stats().retry_after)
    settle()
    print(f"\n{len(provider.charged)} orders charged, {len(waiting)} wait, ", end="")
    print(f"{breaker.stats().rejected} calls were spared")
