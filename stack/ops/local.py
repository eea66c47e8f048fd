"""Local mode: the whole stack as processes of this machine, in one run folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from stack.errors import OpsError
from stack.ops import run_folder
from stack.ops.added import added
from stack.ops.binaries import Binaries, find_binaries
from stack.ops.commands import Progress
from stack.ops.components import Component, Plan, components, jaeger_environment
from stack.ops.jaeger import check_config, find_jaeger
from stack.ops.ports import (
    ONLY_WITH_GRAFANA,
    ONLY_WITH_JAEGER,
    check_free,
    default_ports,
    localhost_addresses,
)
from stack.ops.render import render
from stack.ops.scale import programs
from stack.ops.scale.components import changes, scaled_addresses, scaled_components
from stack.ops.scale.ports import UNUSED
from stack.ops.scale.programs import Programs
from stack.ops.scale.services import write_upstreams
from stack.ops.scale.shards import write_shards
from stack.ops.secrets import make_secrets
from stack.ops.supervisor import ProcessState, Supervisor, wait_until

HEALTHY_WITHIN = 90.0
_SCALED_HEALTHY_WITHIN = 240.0
_NOWHERE = Binaries(Path(), Path(), Path(), Path())
_HOSTS = {
    "GATEWAY_PORT": "gateway",
    "RETRIEVAL_PORT": "retrieval",
    "LLM_PORT": "llm",
    "INBOX_PORT": "inbox",
    "LOADGEN_METRICS_PORT": "loadgen",
    "PROMETHEUS_PORT": "prometheus",
    "ALERTMANAGER_PORT": "alertmanager",
    "JAEGER_METRICS_PORT": "jaeger",
    "SPAN_METRICS_PORT": "jaeger",
    "JAEGER_QUERY_PORT": "jaeger",
}


def up(plan: Plan, progress: Progress) -> bool:
    """Start what does not run yet and wait until all of it is healthy.

    Args:
        plan: what is to run.
        progress: told in one line what happens.

    Returns:
        False when everything ran already.

    Raises:
        OpsError: something cannot be had, started or does not become healthy; then nothing runs.
    """
    with run_folder.locked(plan.run_dir):
        supervisor = Supervisor(plan.run_dir)
        running = supervisor.running()
        if running:
            plan = run_folder.load(plan.run_dir) or plan
        elif supervisor.marked():
            progress("ending what a killed supervisor left running")
            supervisor.stop()
        try:
            binaries = find_binaries(plan.run_dir, progress)
            if not running:
                plan = _with_trace_store(plan, progress)
            further = programs.find(plan.run_dir, progress) if plan.scale else programs.NOWHERE
            wanted = everything(plan, binaries, further)
            _tell_of_newer(plan, progress)
            if running and all(healthy(each) for each in wanted):
                return False
            if not running:
                _start(plan, wanted, supervisor)
            within = _SCALED_HEALTHY_WITHIN if plan.scale else HEALTHY_WITHIN
            _wait_until_healthy(wanted, supervisor, progress, within)
        except BaseException:
            supervisor.stop()
            raise
    return True


def down(run_dir: Path) -> bool:
    """Stop everything; what is stored stays.

    Returns:
        False when nothing ran.
    """
    with run_folder.locked(run_dir):
        supervisor = Supervisor(run_dir)
        if not supervisor.running() and not supervisor.marked():
            return False
        supervisor.stop()
        return True


def everything(
    plan: Plan,
    binaries: Binaries = _NOWHERE,
    further: Programs = programs.NOWHERE,
) -> list[Component]:
    """List what runs, in the order in which it starts; programs matter only to start it."""
    if plan.scale:
        return scaled_components(plan, binaries, further)
    return components(plan, binaries)


def healthy(component: Component) -> bool:
    """Tell whether a component answers that it is ready."""
    return answers(component.health)


def answers(url: str) -> bool:
    """Tell whether an address answers with 200."""
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def first_answer(plan: Plan, question: str) -> dict[str, object] | None:
    """Ask the gateway a question; None when it does not answer."""
    try:
        answer = httpx.post(
            plan.url("GATEWAY_PORT", "/ask"), json={"question": question}, timeout=10
        )
        answer.raise_for_status()
        body: dict[str, object] = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return body


def first_requests(plan: Plan) -> dict[str, int | None]:
    """Make the first request of each added service, so that its series are there.

    Returns:
        the status of each, by what was asked; None where there was no answer.
    """
    found: dict[str, int | None] = {}
    for each in added(plan.root):
        if each.first_request and each.variable in plan.ports:
            url = plan.url(each.variable, each.first_request)
            try:
                found[url] = httpx.get(url, timeout=10).status_code
            except httpx.HTTPError:
                found[url] = None
    return found


def addresses(plan: Plan) -> dict[str, str]:
    """Map host names and ports of the components' files to where they are in local mode.

    Both forms that the files use are mapped: the network's (`gateway:8000`) and, for links that a
    person opens, this machine's (`localhost:8000`).
    """
    defaults = default_ports(plan.root)
    hosts = {**_HOSTS, **{each.variable: each.name for each in added(plan.root)}}
    found = {
        f"{host}:{defaults[variable]}": plan.bind(variable)
        for variable, host in hosts.items()
        if variable in plan.ports
    }
    found |= localhost_addresses(plan.ports, console=plan.console, defaults=defaults)
    return found | scaled_addresses(plan) if plan.scale else found


def _tell_of_newer(plan: Plan, progress: Progress) -> None:
    for each in added(plan.root):
        if each.variable not in plan.ports:
            anew = plan.make("down up")
            progress(f"{each.name} was added since this was started; `{anew}` starts it, too")


def _with_trace_store(plan: Plan, progress: Progress) -> Plan:
    """Choose between Jaeger and the embedded store, and say which."""
    found = find_jaeger(plan.run_dir)
    if found is None and plan.scale:
        raise OpsError("at scale traces need Jaeger; `make jaeger` builds it")
    if found is None:
        progress("traces: embedded store (`make jaeger` builds Jaeger, which is used from then on)")
        return replace(plan, jaeger="")
    plan = replace(plan, jaeger=str(found))
    check_config(found, plan.root / "jaeger" / "config.yaml", jaeger_environment(plan))
    progress(f"traces: Jaeger, {found}")
    return plan


def _start(plan: Plan, wanted: Sequence[Component], supervisor: Supervisor) -> None:
    unused = ONLY_WITH_GRAFANA | (set() if plan.jaeger else ONLY_WITH_JAEGER)
    unused = unused | (UNUSED if plan.scale else set())
    check_free({name: port for name, port in plan.ports.items() if name not in unused})
    make_secrets(plan.secrets)
    for each in wanted:
        (plan.data / each.name).mkdir(parents=True, exist_ok=True)
    write_files(plan)
    run_folder.save(plan)
    supervisor.start(wanted, plan.root)


def write_files(plan: Plan) -> None:
    """Write the components' files with this plan's addresses and speed.

    Raises:
        OpsError: a file cannot be read or understood; the message names it.
    """
    # A target that is never there would be an alert: the embedded store counts no spans.
    left_out = [
        "targets/grafana.yaml",
        *([] if plan.jaeger else ["targets/spanmetrics.yaml"]),
        *([] if plan.load else ["targets/loadgen.yaml"]),
    ]
    render(
        plan.root,
        plan.config,
        addresses=addresses(plan),
        secrets_dir=plan.secrets,
        speed=plan.speed,
        left_out=left_out,
        changes=changes(plan) if plan.scale else {},
    )
    if plan.scale:
        write_upstreams(plan)
    if plan.shards > 1:
        write_shards(plan)


def _wait_until_healthy(
    wanted: Sequence[Component], supervisor: Supervisor, progress: Progress, within: float
) -> None:
    began = time.monotonic()
    waiting = list(wanted)

    def all_are() -> bool:
        states = {each.name: each for each in _states(supervisor)}
        for component in tuple(waiting):
            _check_trying(component, states, supervisor)
            if healthy(component):
                waiting.remove(component)
                progress(f"{component.name} is healthy ({time.monotonic() - began:.1f} s)")
        return not waiting

    if not wait_until(all_are, within, pause=0.2):
        raise _failure(waiting[0].name, f"is not healthy after {within:g} s", supervisor)


def _check_trying(
    component: Component, states: dict[str, ProcessState], supervisor: Supervisor
) -> None:
    """Give up at once on a component that ends again and again."""
    known = states.get(component.name)
    if known is not None and known.state in {"BACKOFF", "FATAL"}:
        raise _failure(component.name, "ends right after its start", supervisor)


def _states(supervisor: Supervisor) -> list[ProcessState]:
    try:
        return supervisor.processes()
    except OSError:
        return []


def _failure(name: str, what: str, supervisor: Supervisor) -> OpsError:
    lines = "\n  ".join(supervisor.last_lines(name)) or "(its log is empty)"
    return OpsError(
        f"{name} {what}; everything has been stopped. "
        f"The end of {supervisor.logs / f'{name}.log'}:\n  {lines}"
    )
