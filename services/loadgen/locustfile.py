"""A locust user that asks the gateway at a constant rate.

`python -m services.loadgen` runs it; so does `locust -f services/loadgen/locustfile.py`.
"""

from __future__ import annotations

import json
import random
import time

from locust import FastHttpUser, constant_throughput, task

from services.loadgen import metrics
from services.loadgen.questions import next_ask, outcome
from services.loadgen.settings import Settings

_settings = Settings.from_env()
_dice = random.Random()  # noqa: S311


class Asker(FastHttpUser):
    """Asks one question after the other, at its share of the rate; never two at once."""

    host = _settings.gateway_url
    wait_time = constant_throughput(_settings.rate_per_user)
    connection_timeout = 2.0
    network_timeout = 10.0
    max_retries = 0

    @task
    def ask(self) -> None:
        """Ask one question and count what came of it."""
        chosen = next_ask(_dice.random, _dice.choice, json.dumps)
        headers = {"Content-Type": "application/json"}
        began = time.perf_counter()
        with self.client.post(
            "/ask", data=chosen.body, headers=headers, name="/ask", catch_response=True
        ) as response:
            seconds = time.perf_counter() - began
            result = outcome(chosen, response.status_code, _is_degraded(response.text))
            if result == "failed":
                response.failure(f"status {response.status_code}")
            else:
                response.success()
        metrics.REQUESTS.labels(result).inc()
        metrics.DURATION.observe(seconds)


def _is_degraded(text: str | None) -> bool:
    try:
        body = json.loads(text or "")
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("degraded") is True
