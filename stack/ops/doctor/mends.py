"""The commands that mend what is found, in either mode."""

from __future__ import annotations

from collections.abc import Sequence

from stack.ops.components import Plan


def log(component: str) -> str:
    """Show what it says."""
    return f"make logs SERVICE={component}"


def anew(plan: Plan) -> str:
    """Start everything again; what is stored stays."""
    return f"make down && {plan.make('up')}"


def restart(plan: Plan, component: str, pid: int = 0) -> str:
    """Start one component again."""
    if plan.mode == "compose":
        return f"docker restart {plan.project}-{component}-1"
    # Its processes are a group of their own, and the supervisor starts them again at once.
    return f"kill -KILL -- -{pid}" if pid else anew(plan)


def go_on(plan: Plan, component: str, pids: Sequence[int]) -> str:
    """Let halted processes go on."""
    if plan.mode == "compose":
        return f"docker unpause {plan.project}-{component}-1"
    return f"kill -CONT {' '.join(map(str, pids))}"


def end_faults(plan: Plan, port: str) -> str:
    """Switch the faults off of the service with that port."""
    token = plan.secrets / "faults_token"
    url = plan.url(port, "/faults")
    return f'curl -s -X DELETE {url} -H "authorization: Bearer $(cat {token})"'


def query(plan: Plan, expression: str) -> str:
    """Ask Prometheus."""
    return f"curl -s {plan.metrics_url}/api/v1/query --data-urlencode 'query={expression}'"


def get(plan: Plan, port: str, path: str) -> str:
    """Look at a page."""
    return f"curl -s -m 5 '{plan.url(port, path)}'"
