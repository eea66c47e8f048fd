"""Services under real gunicorn: settings, workers, and what they share."""

import json
import os
import subprocess
import sys

from stack.ops.ports import free_port
from tests.integration.conftest import ROOT

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "services/gunicorn.conf.py")


def test_a_bad_setting_is_one_clear_line() -> None:
    """The start ends with a non-zero status and one JSON line that names the variable."""
    ended = subprocess.run(
        [*GUNICORN, "services.llm.app:create_app()"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(free_port()), "STACK_LOG_LEVEL": "loud"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    (line,) = [json.loads(each) for each in ended.stdout.splitlines()]
    assert line["level"] == "critical"
    assert line["message"].startswith("STACK_LOG_LEVEL='loud' is not valid: must be one of debug")
