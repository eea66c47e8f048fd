"""Every block of Python in the README and the guides runs, and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Their blocks have tests of their own.
ELSEWHERE = {
    "README.md": "tests/integration/test_docs_commands.py, under gunicorn",
    "docs/chaos.md": "tests/rules/test_chaos_docs.py",
    "docs/testing.md": "tests/integration/test_testing_containers.py, with containers",
}
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+) -->\n)?"
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n^```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks() -> Iterator[tuple[str, str, str | None]]:
    """Yield each block that is to be run: where it stands, its code, what it prints."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            if name not in ELSEWHERE and found["reason"] is None:
                line = text.count("\n", 0, found.start("code"))
                yield f"{name}:{line}", found["code"], found["printed"]


BLOCKS = list(blocks())


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a newcomer does; there is nobody to send spans to."""
    (folder / "program.py").write_text(code, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={"PYTHONPATH": path, "OTEL_TRACES_EXPORTER": "none"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def lasting(text: str) -> str:
    """Leave out what differs from run to run: times and random ids."""
    text = re.sub(r'"timestamp":"[^"]+"', '"timestamp":"…"', text)
    text = re.sub(r'"duration_ms":[\d.]+', '"duration_ms":…', text)
    return re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b", "…", text)


def test_there_are_blocks() -> None:
    """The search finds them, and those of the guides that are left to other tests."""
    assert len(BLOCKS) >= 10
    for name in ELSEWHERE:
        assert BLOCK.search((ROOT / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize(
    ("code", "printed"),
    [(code, printed) for _, code, printed in BLOCKS],
    ids=[where for where, _, _ in BLOCKS],
)
def test_it_runs_and_prints_what_is_shown(code: str, printed: str | None, tmp_path: Path) -> None:
    """It ends with 0, without a warning."""
    ended = run(code, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if printed is not None:
        assert ended.stderr == ""
        assert lasting(ended.stdout) == lasting(printed)


def block(name: str, part: str) -> str:
    """Return the one block of a guide that has a text in it."""
    (found,) = (code for where, code, _ in BLOCKS if where.startswith(name) and part in code)
    return found


def test_the_metric_of_your_own_counts_and_leads_to_its_trace(tmp_path: Path) -> None:
    """The guide's service shows both series, the histogram with an exemplar."""
    code = block("docs/prometheus.md", "orders_value_euros") + (
        "\nclient = app.test_client()\n"
        "client.post('/orders/1990')\n"
        "accept = {'accept': 'application/openmetrics-text; version=1.0.0'}\n"
        "print(client.get('/metrics', headers=accept).text)\n"
    )
    shown = run(code, tmp_path).stdout
    assert '\norders_total{outcome="paid"} 1.0\n' in shown
    assert '\norders_total{outcome="refused"} 0.0\n' in shown
    assert re.search(r'^orders_value_euros_bucket\{le="25.0"\} 1.0 # \{.*trace_id="', shown, re.M)


def test_the_error_has_its_cause(tmp_path: Path) -> None:
    """In one line: type, code, and the stack with the first cause first."""
    shown = run(block("docs/logging.md", "log_error"), tmp_path).stdout
    assert shown.count("\n") == 1
    assert '"error_type":"ValueError"' in shown
    assert '"error_code":"no_card"' in shown
    assert shown.index("KeyError: 'card'") < shown.index("ValueError: order 1001")


def test_a_line_in_a_span_has_its_ids(tmp_path: Path) -> None:
    """As the guide to traces says of OpenTelemetry's own interface."""
    shown = run(block("docs/tracing.md", "start_as_current_span"), tmp_path).stdout
    assert re.search(r'"trace_id":"[0-9a-f]{32}","span_id":"[0-9a-f]{16}"', shown)
