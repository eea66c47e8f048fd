"""What is asked: questions that the documents answer, and now and then a body that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BAD_SHARE = 0.04

QUESTIONS = (
    "What do I do when CircuitBreakerOpen fires?",
    "What does the Watchdog alert mean?",
    "What do I do when a target is down?",
    "How do I start the stack?",
    "How do I inject a fault into a service?",
    "Why does the gateway answer degraded?",
    "How does the circuit breaker decide to open?",
    "What is an exemplar?",
    "Which ports does the stack use?",
    "How do I follow a request from a metric to its trace?",
    "What happens when the trace store is down?",
    "How do I read the logs of one service?",
    "Error ratio of a service is high: what now?",
    "Latency of a service is high: what now?",
)
BAD_BODIES = ('{"question": ""}', '{"question": 7}', '{"question": "cut', '["no object"]', "{}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; a bad one is answered rightly when it is refused."""

    body: str
    is_bad: bool


def next_ask(
    chance: Callable[[], float],
    pick: Callable[[tuple[str, ...]], str],
    encode: Callable[[dict[str, str]], str],
) -> Ask:
    """Choose the next request.

    Args:
        chance: returns a number in 0–1; below `BAD_SHARE` the request is a bad one.
        pick: returns one of several.
        encode: writes JSON.
    """
    if chance() < BAD_SHARE:
        return Ask(pick(BAD_BODIES), is_bad=True)
    return Ask(encode({"question": pick(QUESTIONS)}), is_bad=False)


def outcome(ask: Ask, status: int, degraded: bool) -> str:
    """Name what came of a request.

    Args:
        ask: what was sent.
        status: of the response; 0 when there was none.
        degraded: whether the answer says so.

    Returns:
        answered, degraded, refused (a bad request, as it should be) or failed.
    """
    if ask.is_bad:
        return "refused" if status == 400 else "failed"
    if status != 200:
        return "failed"
    return "degraded" if degraded else "answered"
