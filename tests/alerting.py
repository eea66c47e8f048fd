"""Alertmanager as a process, with the project's file and the edits that the guide prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stack.errors import OpsError
from stack.ops.binaries import Binaries, find_binaries
from stack.ops.local import answers
from stack.ops.ports import free_port
from stack.ops.render import render
from stack.testing import eventually

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "alerting.md"
STRICT = "--enable-feature=utf8-strict-mode"
PEOPLE = ("Slack", "E-mail", "PagerDuty")
# Waits of up to a minute become the shortest that there are, a second.
SPEED = 60.0
_NOWHERE = "127.0.0.1:9"


def programs() -> Binaries:
    """Return Alertmanager and amtool; the test is left out where they are not to be had."""
    try:
        return find_binaries(ROOT / ".run", print)
    except OpsError as error:
        pytest.skip(f"alertmanager and amtool: {error}")


def edited(*people: str) -> str:
    """Return `alertmanager.yml` after the guide's edits, made as it says they are to be made."""
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    for name in people:
        route, receiver = _blocks(name)
        text, found = re.subn(r"(?m)^ +# Routes to people.*\n", lambda line: line[0] + route, text)  # noqa: B023
        assert found == 1, "one line begins with `# Routes to people`"
        text += receiver
    return text


def _blocks(name: str) -> list[str]:
    """Return the two blocks in the guide's section of that name."""
    guide = GUIDE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"(?ms)^### {re.escape(name)}\n(.*?)(?=^##)", guide)
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```$", section)
    assert len(blocks) == 2, f"{name}: a block of routes and one of receivers"
    return blocks


def alert(
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    annotations: Mapping[str, str] | None = None,
    ended: bool = False,
) -> dict[str, Any]:
    """Return an alert that began five minutes ago, as Prometheus would send it."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, **(labels or {})},
        "annotations": annotations or {},
        "startsAt": (now - timedelta(minutes=5)).isoformat(),
        **({"endsAt": now.isoformat()} if ended else {}),
        "generatorURL": "http://localhost:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
    }


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One that runs."""

    url: str

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Send alerts to it."""
        answer = httpx.post(f"{self.url}/api/v2/alerts", json=list(alerts))
        assert answer.status_code == 200, answer.text

    def alerts(self) -> list[dict[str, Any]]:
        """Return what it has."""
        answer = httpx.get(f"{self.url}/api/v2/alerts")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def counted(self, metric: str, **labels: str) -> float:
        """Return the sum of a metric's series that have these labels."""
        total = 0.0
        for line in httpx.get(f"{self.url}/metrics").text.splitlines():
            wanted = all(f'{name}="{value}"' in line for name, value in labels.items())
            if wanted and line.startswith((f"{metric}{{", f"{metric} ")):
                total += float(line.rpartition(" ")[2])
        return total


@contextmanager
def running(
    folder: Path,
    *people: str,
    inbox: str = _NOWHERE,
    secrets: Mapping[str, str] | None = None,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Iterator[Alertmanager]:
    """Run Alertmanager with waits of a second.

    Args:
        folder: where all that it needs is written.
        people: whose edits are made.
        inbox: its `host:port`.
        secrets: content by name of file.
        change: makes of the configuration what the test needs, such as its own server's address.
    """
    found = programs()
    config = _configured(folder, edited(*people), inbox, secrets or {}, change)
    port = free_port()
    url = f"http://localhost:{port}"
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                found.alertmanager,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--web.external-url={url}",
                "--cluster.listen-address=",
                STRICT,
            ],
            cwd=found.directory,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            eventually(lambda: _is_ready(process, url, folder / "log"), "Alertmanager is ready")
            yield Alertmanager(url)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configured(
    folder: Path,
    text: str,
    inbox: str,
    secrets: Mapping[str, str],
    change: Callable[[dict[str, Any]], None],
) -> Path:
    """Render the file as local mode does, with the secrets beside it."""
    source = folder / "source" / "alertmanager"
    shutil.copytree(ROOT / "alertmanager" / "templates", source / "templates")
    (source / "alertmanager.yml").write_text(text, encoding="utf-8")
    (folder / "secrets").mkdir(parents=True)
    for name, secret in secrets.items():
        (folder / "secrets" / name).write_text(f"{secret}\n", encoding="utf-8")
    render(
        source.parent,
        folder / "config",
        addresses={"inbox:8003": inbox},
        secrets_dir=folder / "secrets",
        speed=SPEED,
    )
    rendered = folder / "config" / "alertmanager" / "alertmanager.yml"
    config = yaml.safe_load(rendered.read_text(encoding="utf-8"))
    change(config)
    rendered.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return rendered


def _is_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")
    return answers(f"{url}/-/ready")
