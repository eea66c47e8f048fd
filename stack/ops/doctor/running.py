"""Whether every component runs and answers, and if not, what its processes do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil

from stack.errors import OpsError
from stack.ops.components import Component, Plan
from stack.ops.docker.compose import Compose
from stack.ops.doctor import mends
from stack.ops.doctor.finding import NotCheckedError, Problem, Report
from stack.ops.doctor.sources import Sources, why
from stack.ops.local import everything
from stack.ops.supervisor import ProcessState, Supervisor


def check(sources: Sources) -> Report:
    """Ask each component whether it is ready."""
    try:
        if sources.plan.mode == "compose":
            return _containers(sources.plan)
        return _processes(sources)
    except (OpsError, OSError) as error:
        raise NotCheckedError(str(error)) from error


def _containers(plan: Plan) -> Report:
    compose = Compose(plan, lambda _: None)
    found = {each.service: each for each in compose.containers()}
    names = sorted(compose.services | {*found})
    problems = []
    for name in names:
        each = found.get(name)
        if each is None:
            problems.append(Problem(f"{name} has no container", plan.make("up")))
        elif each.state == "paused":
            mend = mends.go_on(plan, name, [])
            problems.append(Problem(f"{name} is halted: its container is paused", mend))
        elif not each.healthy:
            said = f"{name} is {each.state}, {each.health or 'not healthy'}"
            mend = plan.make("up") if each.state in {"exited", "created"} else mends.log(name)
            problems.append(Problem(f"{said}, started again {each.restarts} times", mend))
    return Report(f"{len(names) - len(problems)} of {len(names)} containers are healthy", problems)


def _processes(sources: Sources) -> Report:
    wanted = everything(sources.plan)
    states = {each.name: each for each in Supervisor(sources.plan.run_dir).processes()}
    with ThreadPoolExecutor(len(wanted)) as pool:
        answers = list(pool.map(lambda each: _not_ready(sources, each), wanted))
    problems = [
        _problem(sources.plan, component, states.get(component.name), answer)
        for component, answer in zip(wanted, answers, strict=True)
        if answer
    ]
    return Report(f"{len(wanted) - len(problems)} of {len(wanted)} components answer", problems)


def _not_ready(sources: Sources, component: Component) -> str:
    """Say why a component is not ready; nothing if it is."""
    try:
        answer = sources.http.get(component.health)
    except httpx.HTTPError as error:
        return f"{component.health} does not answer ({why(error)})"
    if answer.status_code == 200:
        return ""
    return f"{component.health} says {answer.status_code}: {answer.text[:160]}"


def _problem(plan: Plan, component: Component, state: ProcessState | None, answer: str) -> Problem:
    name = component.name
    if state is None or not state.pid:
        known = state.state.lower() if state else "not supervised"
        mend = mends.log(name) if known in {"backoff", "fatal"} else mends.anew(plan)
        return Problem(f"{name} does not run ({known}): {answer}", mend)
    halted = list(_halted(state.pid))
    if halted:
        return Problem(
            f"{name} is halted: {len(halted)} of its processes are stopped by a signal; {answer}",
            mends.go_on(plan, name, halted),
        )
    # Who answers that it is not ready says what it lacks; a restart would not give it that.
    mend = mends.log(name) if " says " in answer else mends.restart(plan, name, state.pid)
    return Problem(f"{name} runs and is not ready: {answer}", mend)


def _halted(pid: int) -> Iterator[int]:
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        for each in (first, *first.children(recursive=True)):
            if each.status() == psutil.STATUS_STOPPED:
                yield each.pid
