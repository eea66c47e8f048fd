"""The console's trace pages in a browser: nothing is covered or squeezed, however narrow it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from werkzeug.serving import make_server

from stack.ops.console.app import create_app
from stack.ops.console.settings import Settings
from tests.integration.browser import chromium, looking, problems
from tests.integration.conftest import ROOT
from tests.unit.test_console_traces import START, TRACE, FakeJaeger, body, document, tag

pytestmark = pytest.mark.timeout(120)

LONG = "search for passages in all documents of the index"
SERVICES = ("gateway", "retrieval", "llm", "inbox", "a-service-with-a-rather-long-name-indeed")

# No name stands on its duration or ends at its edge, and no value has but a few letters a line.
_SQUEEZED = """() => {
  const wrong = [];
  for (const row of document.querySelectorAll(".waterfall summary")) {
    const name = row.querySelector(".name").getBoundingClientRect();
    const took = document.createRange();
    took.selectNodeContents(row.querySelector(".took"));
    const time = took.getBoundingClientRect();
    for (const each of row.querySelectorAll(".name > *")) {
      const box = each.getBoundingClientRect();
      if (box.right > name.right + 1) wrong.push(`cut: ${each.textContent}`);
      if (box.right > time.left && box.left < time.right && box.bottom > time.top &&
          box.top < time.bottom) wrong.push(`on the duration: ${each.textContent}`);
    }
  }
  for (const each of document.querySelectorAll("[open] dd"))
    if (each.clientWidth < 250) wrong.push(`squeezed: ${each.textContent.slice(0, 40)}`);
  return wrong;
}"""


def deep() -> dict[str, Any]:
    """Make a trace of long names, in whose depth an error begins."""
    spans = []
    for number in range(1, 20):
        error = [tag("error", True)] if number < 18 else []
        words = "word " * 40
        stack = tag("exception.stacktrace", f"Traceback\n  {words}\n")
        fields = [tag("event", "exception"), tag("exception.type", "ProviderError"), stack]
        spans.append(
            body(
                number,
                number - 1 if number < 18 else 1,
                SERVICES[number % len(SERVICES)],
                operationName=LONG if number % 2 else "chat",
                startTime=START + number * 9000,
                duration=250_000 - number * 9000,
                tags=[tag("http.request.header.user_agent.original", "x" * 200), *error],
                logs=[{"timestamp": START + number * 9000, "fields": fields}] if error else [],
            )
        )
    return document(*spans)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    settings = Settings(ROOT / "grafana" / "dashboards", "http://p", "http://j", "http://a", 10)
    app = create_app(settings, httpx.MockTransport(FakeJaeger(deep())))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def at() -> Iterator[Callable[..., Any]]:
    with chromium() as browser, looking(browser) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900, 1030, 1280, 1920])
def test_a_trace_can_be_read_at_any_width(
    at: Callable[..., Any], url: str, width: int, scheme: str
) -> None:
    """A search too; on both grounds."""
    page = at(f"{url}/trace/{TRACE}", width=width, color_scheme=scheme)
    assert page.locator("#guilty dd").count() > 3
    assert page.evaluate(_SQUEEZED) == []
    assert problems(page) == []
    page.goto(f"{url}/search")
    assert problems(page) == []
