"""Choosing a breaker's thresholds: the real breaker, on a clock of its own, against failures."""
