"""`make docs` makes a site that is whole, loads nothing from elsewhere, and has every guide."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

import stack
from stack.ops.docs_site import GROUPS, navigation, relinked
from tests.integration.browser import chromium, looking
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.timeout(240)

# What makes a browser load something; a link that a person follows is no such thing.
_LOADS = {"src", "srcset", "poster", "data", "action"}
_OUTSIDE = re.compile(r"^\s*(?:[a-z]+:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make docs` does, but somewhere else; a warning ends it."""
    folder = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), _PATH]))},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


_PATH = os.environ.get("PYTHONPATH", "")


class Page(HTMLParser):
    """What a page of the site loads, links to, and can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of one tag."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name == "href" and value:
                (self.links if tag == "a" else self.loads).append(value)
            elif name in _LOADS and value:
                self.loads.append(value)


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path, Page(path)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No script, style, font or picture of a page or a style sheet has another host."""
    seen = 0
    for path, page in pages(site):
        assert [each for each in page.loads if _OUTSIDE.match(each)] == [], path
        seen += len(page.loads)
    assert seen > 100
    for path in site.rglob("*.css"):
        for found in re.findall(r"url\(\s*[\"']?([^\"')]+)", path.read_text(encoding="utf-8")):
            assert not _OUTSIDE.match(found), f"{path}: {found}"


def test_links_lead_to_pages_and_headings(site: Path) -> None:
    """Every link within the site, with its anchor."""
    found = {path.resolve(): page for path, page in pages(site)}
    checked = 0
    for path, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            # The page for what is not found may be shown at any address: its links begin at `/`.
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.name}: {link}"
            if parts.fragment and target in found:
                assert unquote(parts.fragment) in found[target].ids, f"{path.name}: {link}"
                checked += 1
    assert checked > 100


def test_every_guide_and_runbook_is_there(site: Path) -> None:
    """Each Markdown file of `docs/` is a page."""
    for path in (ROOT / "docs").rglob("*.md"):
        name = path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / name.replace("README.html", "index.html")).is_file(), name


def test_the_reference_has_every_public_name(site: Path) -> None:
    """All of `stack.__all__`, once, each with what its docstring says."""
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(stack.__all__)
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in stack.__all__:
        assert f'id="stack.{name}"' in text, name
    assert "Give an application metrics, traces, logs, health endpoints" in text


def test_a_browser_asks_nobody_else_and_can_search(site: Path) -> None:
    """Start page, a guide with code and pictures, the reference, and a search."""
    serve = functools.partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        asked: list[str] = []
        with chromium() as browser, looking(browser) as at:
            page = at(f"{url}/index.html", width=1200)
            page.on("request", lambda request: asked.append(request.url))
            for name in ("getting-started.html", "api.html", "index.html"):
                page.goto(f"{url}/{name}")
            page.locator("input.md-search__input").first.click()
            page.keyboard.type("exemplar")
            page.locator(".md-search-result__item").first.wait_for()
        server.shutdown()
    assert len(asked) > 10
    # A `blob:` or `data:` is made by the page itself.
    assert [each for each in asked if not each.startswith((url, "blob:", "data:"))] == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_links_out_of_the_guides_become_text_or_pages() -> None:
    """A folder's README is a page, another file is named; what stands in code stays."""
    before = "[inbox](../services/inbox) [rules](../prometheus/rules) [slo](slo.md#add-one)\n"
    after = "[inbox](project/services/inbox/README.md) rules [slo](slo.md#add-one)\n"
    code = "```md\n[inbox](../services/inbox)\n```\n"
    assert relinked(before + code, "docs/compose.md") == after + code
    here = "![trace](../../docs/images/trace.png)"
    assert relinked(here, "services/inbox/README.md") == "![trace](../../../images/trace.png)"


def test_the_navigation_is_the_index() -> None:
    """Sections with the first link of each row, and the reference last."""
    rows = "| [A](a.md) | b |\n| [C](../README.md) | [d](d.md) |\n"
    index = f"## See\n\n| Guide | |\n| --- | --- |\n{rows}"
    assert navigation(index) == [
        {"Guides": "README.md"},
        {"See": [{"A": "a.md"}, {"C": "project/README.md"}]},
        {"Reference of the library": "api.md"},
    ]
