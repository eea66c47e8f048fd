"""A breaker is stuck: for how long, what its probes met, and how the called service is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources

_LOOK_BACK, _STEP = 3600.0, 5.0


def breakers(sources: Sources) -> Report:
    """Name each breaker that is not closed, and why."""
    closed = sources.query('min by (service, component) (circuit_breaker_state{state="closed"})')
    if not closed:
        raise NotCheckedError("no service has told Prometheus of a breaker")
    problems = [
        _problem(sources, each.labels["service"], each.labels["component"])
        for each in closed
        if each.value == 0
    ]
    well = ", ".join(
        f"{each.labels['service']}→{each.labels['component']}" for each in closed if each.value
    )
    return Report(f"closed: {well or 'none'}", problems)


def _problem(sources: Sources, service: str, component: str) -> Problem:
    selector = f'service="{service}",component="{component}"'
    window = sources.window(300)
    since = _since(sources, selector)
    # `increase` is blind to a counter's first value, and the first probe makes this one.
    probing = f'circuit_breaker_transitions_total{{{selector},to_state="half_open"}}'
    probes = _sum(sources, f"sum({probing}) - (sum({probing} offset {window}) or vector(0)) >= 0")
    rejected = _sum(
        sources, f'increase(circuit_breaker_calls_total{{{selector},outcome="rejected"}}[{window}])'
    )
    peer, mend = _peer(sources, service, component)
    return Problem(
        f"the breaker of {service} around {component} is open, {since}; in {window} "
        f"{probes:.0f} probes went out and {rejected:.0f} calls were refused"
        f"{_died_of(sources, service, component, window)}; {peer}",
        mend,
    )


def _since(sources: Sources, selector: str) -> str:
    courses = sources.course(
        f'min by (service, component) (circuit_breaker_state{{{selector},state="closed"}})',
        _LOOK_BACK,
        _STEP,
    )
    newest_first = courses[0][::-1] if courses else []
    count = next((at for at, value in enumerate(newest_first) if value), len(newest_first))
    if count and count == len(newest_first):
        return f"for at least {count * _STEP:.0f} s"
    return f"for about {max(1, count) * _STEP:.0f} s"


def _sum(sources: Sources, expression: str) -> float:
    return sum(each.value for each in sources.query(expression))


def _died_of(sources: Sources, service: str, peer: str, window: str) -> str:
    """Say how the calls ended that were made."""
    ended = sources.query(
        "sort_desc(sum by (http_response_status_code, error_type) (increase("
        f'http_client_request_duration_seconds_count{{service="{service}",peer_service="{peer}",'
        'http_response_status_code!~"2.."}'
        f"[{window}])) > 0.5)"
    )
    ways = [f"{each.value:.0f} × {_how(each.labels)}" for each in ended]
    return f"; attempts failed by {', '.join(ways)}" if ways else ""


def _how(labels: Mapping[str, str]) -> str:
    return labels.get("http_response_status_code") or labels.get("error_type", "?")


def _peer(sources: Sources, caller: str, name: str) -> tuple[str, str]:
    """Say how the called service is, and what mends it."""
    port = sources.services.get(name)
    if port is None:
        return f"{name} is no component of the stack", mends.log(caller)
    try:
        answer = sources.answer(port, "/readyz")
    except NotCheckedError as error:
        return f"{error}", mends.log(name)
    if answer.status_code != 200:
        return f"{name} is not ready: {answer.text[:120]}", mends.log(name)
    on = faults_of(sources, port)
    if on:
        shown = ", ".join(map(described, on))
        mend = mends.end_faults(sources.plan, port)
        return f"{name} answers and has a fault switched on: {shown}", mend
    return (
        f"{name} answers that it is ready: if it is well, the next probe closes the breaker",
        mends.log(caller),
    )


def faults(sources: Sources) -> Report:
    """List the faults that somebody has switched on."""
    problems, asked = [], []
    for name, port in sources.instances.items():
        try:
            on = faults_of(sources, port)
        except NotCheckedError:
            # Who does not answer is named by another check.
            continue
        asked.append(name)
        if on:
            problems.append(
                Problem(
                    f"{name} has faults switched on: {', '.join(map(described, on))}",
                    mends.end_faults(sources.plan, port),
                )
            )
    if not asked:
        raise NotCheckedError("no service says which faults it has")
    return Report(f"asked {', '.join(asked)}", problems)


def faults_of(sources: Sources, port: str) -> list[dict[str, Any]]:
    """Return the faults of the service with that port; none where they are switched off altogether.

    Raises:
        NotCheckedError: it does not answer, or does not take the token.
    """
    try:
        token = (sources.plan.secrets / "faults_token").read_text(encoding="ascii").strip()
    except OSError as error:
        raise NotCheckedError(f"the token cannot be read: {error}") from error
    headers = {"Authorization": f"Bearer {token}"}
    answer = sources.answer(port, "/faults", headers=headers)
    if answer.status_code == 404:
        return []
    if answer.status_code != 200:
        raise NotCheckedError(f"{answer.url} says {answer.status_code}")
    found: list[dict[str, Any]] = answer.json()["faults"]
    return found


def described(fault: dict[str, Any]) -> str:
    """Return a fault in a few words."""
    status = f" {fault['status']}" if fault["kind"] == "error" else ""
    path = f" on {fault['path']}" if fault.get("path") else ""
    return f"{fault['kind']}{status}{path}, {fault.get('probability', 1):.0%} of the requests"
