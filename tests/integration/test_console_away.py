"""The console while what it asks is away: it says so, and recovers by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.ops.binaries import find_binaries
from stack.ops.components import GUNICORN, ONE_WORKER
from stack.ops.ports import free_ports
from stack.ops.render import render
from tests.integration.browser import chromium, looking
from tests.integration.conftest import PORTS, ROOT, shared_binaries, until

pytestmark = pytest.mark.timeout(120)


class Away:
    """A console alone, and a Prometheus that can be started and stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = free_ports(PORTS)
        self._running = ExitStack()
        self._prometheus = ExitStack()
        self.url = self._at("CONSOLE_PORT")

    def start_console(self) -> None:
        """Start the console; it is asked for nothing but whether it runs."""
        addresses = {
            "jaeger:16686": self._at("JAEGER_QUERY_PORT").removeprefix("http://"),
            "alertmanager:9093": self._at("ALERTMANAGER_PORT").removeprefix("http://"),
        }
        render(ROOT, self._folder, addresses=addresses, secrets_dir=self._folder)
        bind = f"--bind={self.url.removeprefix('http://')}"
        command = [*GUNICORN, *ONE_WORKER, bind, "stack.ops.console.app:create_app()"]
        environment = {
            "GRAFANA_CONFIG_DIR": str(self._folder / "grafana"),
            "METRICS_URL": self._at("PROMETHEUS_PORT"),
        }
        self._running.enter_context(_process(command, f"{self.url}/healthz", environment))

    def start_prometheus(self) -> None:
        """Start a Prometheus that knows only itself."""
        config, url = self._folder / "alone.yml", self._at("PROMETHEUS_PORT")
        target = f"static_configs: [{{targets: ['{url.removeprefix('http://')}']}}]"
        config.write_text(f"scrape_configs: [{{job_name: prometheus, {target}}}]\n")
        run_dir = shared_binaries().parent
        command = [
            str(find_binaries(run_dir, lambda _: None).prometheus),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
        ]
        self._prometheus.enter_context(_process(command, f"{url}/-/ready", {}))

    def stop_prometheus(self) -> None:
        """Stop it; what it has stored stays."""
        self._prometheus.close()

    def close(self) -> None:
        """End everything."""
        self._prometheus.close()
        self._running.close()

    def _at(self, port: str) -> str:
        return f"http://127.0.0.1:{self._ports[port]}"


@contextmanager
def _process(command: list[str], health: str, environment: Mapping[str, str]) -> Iterator[None]:
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}) as process:
        try:
            until(lambda: httpx.get(health).status_code == 200, f"{command[0]} is ready")
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Away]:
    """A console whose Prometheus, Jaeger and Alertmanager are away."""
    found = Away(tmp_path)
    try:
        found.start_console()
        yield found
    finally:
        found.close()


@pytest.fixture
def look() -> Iterator[Callable[..., Any]]:
    """Open pages that may fail: the browser says so on its console."""
    with chromium() as browser, looking(browser) as at:
        yield lambda url: at(url, expect="503 (SERVICE UNAVAILABLE)")


def test_a_page_waits_for_prometheus_and_then_shows_it(
    away: Away, look: Callable[..., Any]
) -> None:
    """It names the address and the command that helps; nobody has to reload it."""
    answer = httpx.get(f"{away.url}/d/stack-overview")
    assert answer.status_code == 503
    assert answer.headers["Refresh"] == "5"
    page = look(f"{away.url}/d/stack-overview")
    assert page.locator("h1").inner_text() == "Prometheus does not answer"
    assert "make logs SERVICE=prometheus" in page.locator("main").inner_text()
    away.start_prometheus()
    page.locator(".panel").first.wait_for()
    assert page.locator("h1").inner_text() == "Overview"


def test_an_open_page_says_that_it_is_old_and_recovers(
    away: Away, look: Callable[..., Any]
) -> None:
    """What it showed stays, with the reason why it is not newer."""
    away.start_prometheus()
    page = look(f"{away.url}/d/stack-overview")
    shown = page.locator(".panel").count()
    assert page.locator("#asof").inner_text().startswith("as of")
    away.stop_prometheus()
    page.locator("#asof.bad").wait_for()
    assert page.locator("#asof").inner_text() == "Prometheus does not answer; trying again"
    assert page.locator(".panel").count() == shown
    away.start_prometheus()
    page.locator("#asof:not(.bad)").wait_for()


@pytest.mark.parametrize("path", ["/search", "/trace/" + "0" * 31 + "1"])
def test_without_jaeger_a_page_says_so(away: Away, path: str) -> None:
    """And asks again."""
    answer = httpx.get(f"{away.url}{path}")
    assert answer.status_code == 503
    assert answer.headers["Refresh"] == "5"
    assert "Jaeger" in answer.text


def test_without_alertmanager_what_fires_is_shown_all_the_same(away: Away) -> None:
    """Only what is silenced is not known."""
    away.start_prometheus()
    answer = httpx.get(f"{away.url}/alerts")
    assert answer.status_code == 200
    assert "What is silenced is not known" in answer.text
