"""What the containers have in common: hardened, waited for, asked over HTTP, gone at the end."""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
from docker.errors import NotFound  # type: ignore[import-untyped]
from testcontainers.core.config import ConnectionMode
from testcontainers.core.container import DockerContainer
from testcontainers.core.transferable import Transferable, build_transfer_tar

from stack.testing.reaper import without_reaper_if_missing
from stack.testing.waiting import Answering

HOST = "host.docker.internal"
"""The machine that the test runs on, as the containers here call it."""

_LOOPBACK = "127.0.0.1"
_DEFAULTS: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "extra_hosts": {HOST: "host-gateway"},
}


class ServerContainer(DockerContainer):
    """A container around an HTTP server: the base of those that are meant for tests.

    Its file system is read-only but for the image's volume, it has no capabilities, and it reaches
    the host as `HOST`; `with_kwargs` changes each of that. With the engine on the test's machine
    its ports are published on 127.0.0.1 only; for a test in a container, on all addresses.
    """

    IMAGE: ClassVar[str]
    """The official image."""
    IMAGE_VARIABLE: ClassVar[str]
    """The environment variable that names another; compose.yaml reads the same."""
    PORT: ClassVar[int]
    """Its HTTP API in the container."""

    def __init__(self, image: str | None, ready: Answering, **options: Any) -> None:
        chosen = image or os.environ.get(self.IMAGE_VARIABLE) or self.IMAGE
        super().__init__(chosen, **options)
        self._owner = 0
        self.with_exposed_ports(self.PORT)
        self.waiting_for(ready)

    @property
    def url(self) -> str:
        """Where the test reaches its API, without a slash at the end."""
        return self._address(self.PORT)

    def start(self) -> Self:
        """Start it and wait until it is ready, for 60 seconds at most.

        Returns:
            This container, ready.

        Raises:
            ContainerStartException: it ended; the message has the last lines it wrote.
            TimeoutError: it was not ready in time.
            DockerException: the engine refused, or the image can be neither found nor pulled.
        """
        without_reaper_if_missing()
        self._owner = os.getpid()
        atexit.register(self._stop_at_exit)
        try:
            return super().start()
        except BaseException:
            self.stop()
            raise

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """Remove it with its data; does nothing if it is gone.

        Args:
            force: also while it runs.
            delete_volume: its data, too.
        """
        atexit.unregister(self._stop_at_exit)
        with contextlib.suppress(NotFound):
            super().stop(force, delete_volume)
        self._container = None

    def _stop_at_exit(self) -> None:
        # A forked child ends, too, and the container is not its own.
        if os.getpid() == self._owner:
            self.stop()

    def _configure(self) -> None:
        self._kwargs = {**_DEFAULTS, **self._kwargs}
        engine = self.get_docker_client()
        local = engine.host() in {"localhost", _LOOPBACK}
        if local and engine.get_connection_mode() is ConnectionMode.docker_host:
            for port in [port for port, chosen in self.ports.items() if chosen is None]:
                # The engine's own form of "any port of that address".
                self.ports[port] = (_LOOPBACK,)  # type: ignore[assignment]

    def _transfer_into_container(
        self, transferable: Transferable, destination_in_container: str, mode: int
    ) -> None:
        # Unpacked at its folder, for at `/` the engine refuses: that is read-only.
        folder, _, name = destination_in_container.rpartition("/")
        archive = build_transfer_tar(transferable, name, mode)
        self.get_wrapped_container().put_archive(folder, archive)

    def _address(self, port: int) -> str:
        host = self.get_container_host_ip()
        # Not ::1, where the same port may be another container's.
        return f"http://{_LOOPBACK if host == 'localhost' else host}:{self.get_exposed_port(port)}"

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = httpx.request(method, self.url + path, timeout=10.0, trust_env=False, **options)
        if answer.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {answer.status_code} {answer.text.strip()}",
                request=answer.request,
                response=answer,
            )
        return answer


def contents(source: str | Path) -> bytes:
    """Return the bytes of a file given by its path, or of a text."""
    return source.read_bytes() if isinstance(source, Path) else source.encode()
