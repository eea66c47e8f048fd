"""That a fault is seen: by the breaker, by Prometheus, by whoever is to be woken."""

from __future__ import annotations

from stack.ops.chaos.counts import REQUESTS, TRANSITIONS
from stack.ops.chaos.oracles.oracle import DETECTION, Oracle, moment, step
from stack.ops.chaos.stage import Stage
from stack.ops.drill.causes import Drilled

# Until Prometheus has what a service has counted: a scrape is at most 5 s away.
_SCRAPED = 15.0


def opens(component: str, within: float = 10.0) -> Oracle:
    """Failures open the gateway's breaker; in seconds from when it is first waited for."""
    return Oracle(
        DETECTION,
        f"gateway's breaker around {component} opens within {within:g} s",
        lambda stage: stage.moved(component, "closed", "open") > 0,
        lambda stage: moment(stage, component, "closed", "open"),
        lambda _: within,
    )


def probe_fails(component: str) -> Oracle:
    """While the fault lasts, a probe opens the breaker again."""
    return Oracle(
        DETECTION,
        f"a probe of {component} fails",
        lambda stage: stage.moved(component, "half_open", "open") > 0,
        lambda stage: moment(stage, component, "half_open", "open"),
        lambda stage: 2 * stage.sources.breaker_timeout + 10,
    )


def counted_by_prometheus(component: str) -> Oracle:
    """Prometheus has as many openings as the gateway itself."""
    labels = {"component": component, "from_state": "closed", "to_state": "open"}
    selected = ",".join(f'{name}="{value}"' for name, value in labels.items())
    expression = f'sum({TRANSITIONS}{{service="gateway",{selected}}})'

    def same(stage: Stage) -> bool:
        there = stage.sources.read("gateway").total(TRANSITIONS, **labels)
        return stage.moved(component) > 0 and stage.sources.ask(expression) == there

    return Oracle(
        DETECTION,
        f"Prometheus counts each opening around {component}",
        same,
        lambda stage: f"{stage.moved(component, 'closed', 'open')} counted",
        lambda _: _SCRAPED,
    )


def delivered(alert: Drilled) -> Oracle:
    """The alert fires, and the inbox has it."""
    return Oracle(
        DETECTION,
        f"{alert.name} is delivered",
        lambda stage: stage.lines[alert.name].far_enough,
        lambda stage: step(stage, alert, "delivered"),
        lambda stage: stage.sources.patience[alert.name].to_delivery,
    )


def counted(requests: int, route: str) -> Oracle:
    """The llm has counted each of the callers' requests of a route once, by its status."""

    def statuses(stage: Stage) -> dict[str, int]:
        got = [str(each.status) for each in stage.models.answers if each.began >= stage.began]
        return {status: got.count(status) for status in sorted(set(got))}

    def same(stage: Stage) -> bool:
        expected = statuses(stage)
        return sum(expected.values()) == requests == stage.rise(
            "llm", REQUESTS, http_route=route
        ) and all(
            stage.rise("llm", REQUESTS, http_route=route, http_response_status_code=status) == times
            for status, times in expected.items()
        )

    return Oracle(
        DETECTION,
        f"llm counts {requests} requests more, by status as the callers got them",
        same,
        lambda stage: (
            f"{stage.rise('llm', REQUESTS, http_route=route):.0f}: "
            + ", ".join(f"{times} × {status}" for status, times in statuses(stage).items())
        ),
        # A worker counts a request when its answer is on its way.
        lambda _: 5.0,
    )


def scraped(route: str) -> Oracle:
    """Prometheus has the same count of a route as the llm's own workers together."""
    expression = f'sum({REQUESTS}{{service="llm",http_route="{route}"}})'
    return Oracle(
        DETECTION,
        "Prometheus has the same count",
        lambda stage: (
            stage.sources.ask(expression)
            == stage.sources.read("llm").total(REQUESTS, http_route=route)
        ),
        lambda stage: f"{stage.sources.ask(expression) or 0:.0f} in all",
        lambda _: _SCRAPED,
    )
