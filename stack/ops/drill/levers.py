"""What a drill can do to a running stack: halt, flood, break, and put everything back."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from stack.errors import OpsError
from stack.ops.components import Plan, further_load
from stack.ops.docker.containers import containers
from stack.ops.docker.engine import find_engine
from stack.ops.drill.background import in_background
from stack.ops.rule_files import ENDING, FOLDER
from stack.ops.supervisor import Supervisor

_PORTS = {
    "gateway": "GATEWAY_PORT",
    "retrieval": "RETRIEVAL_PORT",
    "llm": "LLM_PORT",
    "inbox": "INBOX_PORT",
}
# A fault that nobody ends, since the drill was killed, ends by itself; else it is renewed.
_FAULT_SECONDS = 600.0
# A service whose threads are all held by a fault is told of its end when one is free again.
_ENDED_WITHIN = 60.0
# What a changed file was like is kept beside it under its name and this.
_BEFORE = ".before-drill"
_RULES = "drill-"


class Levers:
    """The levers of one running stack; to be closed. Thread-safe.

    Args:
        plan: what runs.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.http = httpx.Client(timeout=10.0)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    @contextmanager
    def halted(self, component: str) -> Iterator[None]:
        """Keep a component from doing anything, with its connections open."""
        with self._paused(component) if self._in_containers else self._stopped(component):
            yield

    @contextmanager
    def ended(self, component: str) -> Iterator[None]:
        """Keep a component from running."""
        end: Callable[[str], object]
        start: Callable[[str], object]
        if self._in_containers:
            engine, name = find_engine(self.plan.run_dir), self._container(component)
            end, start = partial(engine.run, "stop"), partial(engine.run, "start")
        else:
            supervisor, name = Supervisor(self.plan.run_dir), component
            end, start = supervisor.end, supervisor.start_again
        try:
            end(name)
            yield
        finally:
            start(name)

    @contextmanager
    def fault(self, service: str, **fault: Any) -> Iterator[None]:
        """Switch a fault on at a service, and all of its faults off at the end.

        Raises:
            OpsError: the service refuses.
        """
        url = self.plan.url(_PORTS[service], "/faults")
        body = {"duration_seconds": _FAULT_SECONDS, **fault}

        def renew(over: threading.Event) -> None:
            if not over.wait(_FAULT_SECONDS):
                self._ask("POST", url, json=body)

        try:
            self._ask("POST", url, json=body)
            with self.again_and_again(renew):
                yield
        finally:
            self._ask("DELETE", url, timeout=_ENDED_WITHIN)

    @contextmanager
    def changed(self, path: str, change: Callable[[str], str]) -> Iterator[None]:
        """Change a file of the rendered configuration and have its component read it again.

        Args:
            path: below the folder of the configuration, such as `prometheus/prometheus.yml`.
            change: gets the file's text and returns the new one.

        Raises:
            OpsError: the stack was not started with rendered files.
        """
        file = self.plan.config / path
        try:
            before = file.read_text(encoding="utf-8")
        except OSError as error:
            raise OpsError(
                f"{file} cannot be read ({error}); start the stack by `make up`"
            ) from error
        kept = file.with_name(f"{file.name}{_BEFORE}")
        try:
            _write(kept, before)
            _write(file, change(before))
            self._reload(path)
            yield
        finally:
            kept.replace(file)
            self._reload(path)

    @contextmanager
    def rules(self, name: str, *rules: Mapping[str, Any]) -> Iterator[None]:
        """Have Prometheus evaluate further rules."""
        file = self._rules / f"{_RULES}{name}{ENDING}"
        try:
            _write(file, yaml.safe_dump({"groups": [{"name": name, "rules": list(rules)}]}))
            self._reload("prometheus/")
            yield
        finally:
            file.unlink(missing_ok=True)
            self._reload("prometheus/")

    @contextmanager
    def load(self, rate: float) -> Iterator[None]:
        """Ask the gateway `rate` questions per second."""
        command, environment = further_load(self.plan, rate)
        with subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            command,
            env=environment,
            cwd=self.plan.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as asking:
            try:
                yield
            finally:
                asking.terminate()

    @contextmanager
    def again_and_again(
        self, step: Callable[[threading.Event], None], at_once: int = 1
    ) -> Iterator[None]:
        """Repeat a step in the background; it gets what is set at the end, to wait for it."""

        def repeat(over: threading.Event) -> None:
            while not over.is_set():
                # What is tried may fail for the fault's sake.
                with suppress(OpsError, httpx.HTTPError):
                    step(over)

        with in_background(repeat, at_once):
            yield

    def put_everything_back(self) -> None:
        """End whatever drills can begin, after one that could not do so itself.

        Raises:
            OpsError: something cannot be put back.
        """
        if self._in_containers:
            self._continue_containers()
        else:
            self._continue_processes()
        for kept in self.plan.config.rglob(f"*{_BEFORE}"):
            kept.replace(kept.with_name(kept.name.removesuffix(_BEFORE)))
        for file in self._rules.glob(f"{_RULES}*"):
            file.unlink()
        for service in ("prometheus", "alertmanager"):
            self._reload(f"{service}/")
        for port in _PORTS.values():
            self._ask("DELETE", self.plan.url(port, "/faults"), timeout=_ENDED_WITHIN)

    def value(self, expression: str) -> float | None:
        """Return what Prometheus says of an expression with one result; None for none."""
        answer = self.http.get(
            self.plan.url("PROMETHEUS_PORT", "/api/v1/query"), params={"query": expression}
        )
        answer.raise_for_status()
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    @property
    def _in_containers(self) -> bool:
        return self.plan.mode == "compose"

    @contextmanager
    def _paused(self, component: str) -> Iterator[None]:
        engine, name = find_engine(self.plan.run_dir), self._container(component)
        try:
            engine.run("pause", name)
            yield
        finally:
            engine.run("unpause", name)

    @contextmanager
    def _stopped(self, component: str) -> Iterator[None]:
        first = self._process(component)
        halted = [first, *first.children(recursive=True)]
        try:
            for process in halted:
                process.send_signal(signal.SIGSTOP)
            yield
        finally:
            for process in halted:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def _continue_containers(self) -> None:
        engine = find_engine(self.plan.run_dir)
        for each in containers(engine, self.plan.project):
            if each.state == "paused":
                engine.run("unpause", each.name)
            elif each.state == "exited":
                engine.run("start", each.name)

    def _continue_processes(self) -> None:
        supervisor = Supervisor(self.plan.run_dir)
        for process in supervisor.marked():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        for each in supervisor.processes():
            if each.state == "STOPPED":
                supervisor.start_again(each.name)

    @property
    def _rules(self) -> Path:
        return self.plan.config / FOLDER

    def _reload(self, path: str) -> None:
        """Have the component whose file this is read its configuration again."""
        component = path.partition("/")[0]
        if self._in_containers:
            # After `docker kill`, whatever the signal, the engine would not restart it any more.
            name = self._container(component)
            find_engine(self.plan.run_dir).run("exec", name, "sh", "-c", "kill -HUP 1")
        else:
            self._process(component).send_signal(signal.SIGHUP)

    def _container(self, component: str) -> str:
        for each in containers(find_engine(self.plan.run_dir), self.plan.project):
            if each.service == component:
                return each.name
        raise OpsError(f"{component} has no container; `make up` starts it")

    def _process(self, component: str) -> psutil.Process:
        for each in Supervisor(self.plan.run_dir).processes():
            if each.name == component and each.pid:
                return psutil.Process(each.pid)
        raise OpsError(f"{component} does not run; `make up` starts it")

    def _ask(self, method: str, url: str, **arguments: Any) -> None:
        token = (self.plan.secrets / "faults_token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = self.http.request(method, url, headers=headers, **arguments)
        except httpx.HTTPError as error:
            raise OpsError(f"{url} does not answer ({error}); see `make status`") from error
        if answer.is_error:
            raise OpsError(f"{method} {url}: {answer.status_code} {answer.text[:200]}")


def _write(file: Path, text: str) -> None:
    """Put a file in place at once, readable for a container's user."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(file)
