"""A newcomer's first minute: the console's overview after `make up`, at the usual speed."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import Pipeline, until

if TYPE_CHECKING:
    from pathlib import Path


def unfilled(page: str) -> list[str]:
    """List the charts of a page without a value, and what it says it has no data of."""
    charts = re.findall(r'class="chart".*?<script type="application/json">(.*?)</script>', page)
    specs = [json.loads(each) for each in charts]
    if len(specs) < 5 or 'class="problem"' in page:
        return [f"{len(specs)} charts, or a problem"]
    empty = [
        spec["title"]
        for spec in specs
        if not any(value is not None for each in spec["series"] for value in each["values"])
    ]
    return [*empty, *re.findall(r">\s*(no data[^<]*)<", html.unescape(page))]


@pytest.mark.timeout(180)
def test_the_overview_is_full_a_minute_after_the_start(tmp_path: Path) -> None:
    """Every chart has values, and no panel waits for data."""
    own = Pipeline(tmp_path / "stack")
    try:
        up = own.stack("up")
        assert up.returncode == 0, up.stdout + up.stderr
        assert own.url("CONSOLE_PORT", "") in up.stdout, "make up says where it is"

        def full() -> bool:
            page = own.http.get(own.url("CONSOLE_PORT", "/"), follow_redirects=True)
            page.raise_for_status()
            if missing := unfilled(page.text):
                raise ValueError(missing)
            return True

        until(full, "the overview is full", deadline=60, pause=1)
    finally:
        own.stack("down", "--volumes")
        own.http.close()
