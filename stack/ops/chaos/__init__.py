"""Chaos scenarios: a fault on the running services, and an oracle that says what must follow."""
