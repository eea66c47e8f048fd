"""Keeping components running: supervisord, told what to do over its Unix socket.

http://supervisord.org/configuration.html and http://supervisord.org/api.html
"""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from stack.errors import OpsError
from stack.ops.components import Component

# In the environment of everything that is supervised, with the run folder as its value.
MARK = "STACK_SUPERVISED"
_SOCKET_LIMIT = 100
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the supervisor says of one component; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int


class Supervisor:
    """The supervisor of one run folder. Not thread-safe.

    Args:
        run_dir: where its configuration, log and socket are.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.logs = run_dir / "logs"
        self._config = run_dir / "config" / "supervisord.conf"
        self._pidfile = run_dir / "supervisord.pid"

    def start(self, components: Iterable[Component], directory: Path) -> None:
        """Start everything; components are restarted whenever they end.

        Raises:
            OpsError: the supervisor does not start.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.write_text(self._configuration(components, directory), encoding="utf-8")
        started = subprocess.run(  # noqa: S603 -- our own interpreter and file
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
            env={**os.environ, MARK: str(self.run_dir)},
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if started.returncode != 0:
            reason = (started.stderr or started.stdout).strip().splitlines()[-1:]
            raise OpsError(f"the supervisor did not start: {' '.join(reason)}")

    def running(self) -> bool:
        """Tell whether the supervisor answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except OSError:
            return False

    def pid(self) -> int:
        """Return the supervisor's own process id.

        Raises:
            OSError: it does not answer.
        """
        return int(self._call("getPID"))

    def processes(self) -> list[ProcessState]:
        """List the components.

        Raises:
            OSError: the supervisor does not answer.
        """
        return [
            ProcessState(row["name"], row["statename"], row["pid"])
            for row in self._call("getAllProcessInfo")
        ]

    def start_again(self, name: str) -> None:
        """Start one component that has given up, or was ended."""
        self._call("startProcess", name, False)

    def end(self, name: str) -> None:
        """End one component, and do not start it again."""
        self._call("stopProcess", name)

    def stop(self) -> None:
        """End the components, then the supervisor, then whatever they have left behind.

        Raises:
            OpsError: something cannot be ended.
        """
        left = self.marked()
        if self.running():
            self._call("shutdown")
            _, left = psutil.wait_procs(left, timeout=_STOP_SECONDS)
        for process in left:
            _kill(process)
        _, left = psutil.wait_procs(left, timeout=5)
        if left:
            raise OpsError(f"could not end process {left[0].pid} ({left[0].name()}); kill it")
        self._socket.unlink(missing_ok=True)

    def marked(self) -> list[psutil.Process]:
        """List all processes of this run folder, the supervisor included."""
        return [process for process in psutil.process_iter() if self._is_marked(process)]

    def last_lines(self, name: str, count: int = 8) -> list[str]:
        """Return the end of a component's log."""
        try:
            text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return text.splitlines()[-count:]

    @property
    def _socket(self) -> Path:
        wanted = self.run_dir / "supervisor.sock"
        if len(os.fsencode(wanted)) < _SOCKET_LIMIT:
            return wanted
        # The kernel allows a socket's path about a hundred bytes.
        digest = hashlib.sha256(os.fsencode(self.run_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"stack-{os.getuid()}-{digest}.sock"

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (http.client.HTTPException, xmlrpc.client.Error) as error:
            raise OSError(f"the supervisor does not answer: {error}") from error
        finally:
            transport.close()

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return (
                process.environ().get(MARK) == str(self.run_dir)
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def _configuration(self, components: Iterable[Component], directory: Path) -> str:
        socket = _escaped(self._socket)
        general = f"""\
[supervisord]
logfile = {_escaped(self.logs / "supervisord.log")}
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = {_escaped(self._pidfile)}
directory = {_escaped(directory)}
childlogdir = {_escaped(self.logs)}
nocleanup = true

[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
        return general + "".join(self._program(each) for each in components)

    def _program(self, component: Component) -> str:
        environment = ",".join(
            f'{name}="{_escaped(value)}"' for name, value in component.environment.items()
        )
        directory = f"directory = {_escaped(component.directory)}\n" if component.directory else ""
        command = " ".join(_quoted(part) for part in component.command)
        return f"""
[program:{component.name}]
command = {command}
environment = {environment}
{directory}\
autorestart = true
startsecs = 1
startretries = 20
stopwaitsecs = 15
killasgroup = true
redirect_stderr = true
stdout_logfile = {_escaped(self.logs / f"{component.name}.log")}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def wait_until(found: Any, deadline: float, pause: float = 0.1) -> bool:
    """Poll until `found()` is true or `deadline` seconds have passed; tell which."""
    ends = time.monotonic() + deadline
    while not found():
        if time.monotonic() >= ends:
            return False
        time.sleep(pause)
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _escaped(value: object) -> str:
    """Keep `%` from meaning an expansion."""
    return str(value).replace("%", "%%")


def _quoted(part: str) -> str:
    escaped = _escaped(part).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
