"""When an alert fires: how much of the error budget is burnt in which window."""

from __future__ import annotations

from dataclasses import dataclass

from stack.ops.durations import seconds

WINDOW = "30d"


@dataclass(frozen=True, slots=True)
class Policy:
    """An alert for one speed of burning.

    Args:
        name: how specs call it.
        short: the window that ends the alert soon after the errors end.
        long: the window that keeps a short spike from firing it.
        share: of the error budget of `WINDOW`, what is gone when the long window is all bad.
    """

    name: str
    short: str
    long: str
    share: float

    @property
    def alert(self) -> str:
        """The name of the alert."""
        return f"ErrorBudgetBurn{self.name.capitalize()}"

    @property
    def burn_rate(self) -> float:
        """How many times too fast the budget burns; at 1 it lasts exactly for `WINDOW`."""
        return round(self.share * seconds(WINDOW) / seconds(self.long), 6)

    def threshold(self, budget: float) -> float:
        """Return the error ratio above which it fires, for a budget of that ratio."""
        return round(self.burn_rate * budget, 12)

    def time_to_detect(self, budget: float, errors: float) -> float | None:
        """Return the seconds until it fires, when all was well before.

        Args:
            budget: the ratio of events that may be bad.
            errors: the ratio of events that are bad from now on.

        Returns:
            None when it does not fire.
        """
        if errors <= self.threshold(budget):
            return None
        return self.threshold(budget) / errors * seconds(self.long)

    def time_to_reset(self, budget: float) -> float:
        """Return the seconds from the end of a total outage until it resolves."""
        return (1 - self.threshold(budget)) * seconds(self.short)


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("fast", short="5m", long="1h", share=0.02),
        Policy("medium", short="30m", long="6h", share=0.05),
        Policy("slow", short="2h", long="1d", share=0.10),
        Policy("steady", short="6h", long="3d", share=0.10),
    )
}
