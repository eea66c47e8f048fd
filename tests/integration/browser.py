"""A browser, and what a page is held to in it: each check returns what is wrong, in words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# What a page that asks every few seconds may take to show something, in milliseconds.
SOON = 15_000
# `make pictures` sets it: then the guides' pictures are taken anew.
PICTURES = os.environ.get("STACK_PICTURES") == "1"

# Nothing is wider than the window, and no two texts stand on each other.
_LAYOUT = """() => {
  const wrong = [];
  // What has been scrolled out of its box is not seen.
  const inside = (each) => {
    const own = each.getBoundingClientRect();
    const box = (each.closest(".scroll, .top nav") ?? each).getBoundingClientRect();
    return own.bottom <= box.bottom + 4 && own.top >= box.top - 4 && own.right <= box.right + 1;
  };
  const seen = [...document.querySelectorAll("main *, header *")].filter((each) =>
    each.checkVisibility() && !each.closest(".unseen") && !each.matches(".skip, option, .dot") &&
    inside(each));
  for (const each of seen) {
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 0.5 || box.left < -0.5))
      wrong.push(`wider than the window: ${each.outerHTML.slice(0, 90)}`);
    if (each.matches("input, select, button, summary") && box.height < 24)
      wrong.push(`too low to hit: ${each.outerHTML.slice(0, 90)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page scrolls sideways");
  const texts = "h1, h2, h3, h4, .tag, .since, .facts li, a, label, input, select, button, summary";
  const start = (each) => each.outerHTML.slice(0, 80);
  const boxes = seen
    .filter((each) => each.matches(texts))
    .flatMap((each) => [...each.getClientRects()].map((box) => [each, box]));
  boxes.sort((one, other) => one[1].top - other[1].top);
  boxes.forEach(([one, a], place) => {
    for (const [other, b] of boxes.slice(place + 1)) {
      if (b.top >= a.bottom) break;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - b.top;
      if (one !== other && wide > 2 && high > 4 && !one.contains(other) && !other.contains(one))
        wrong.push(`on each other: ${start(one)} and ${start(other)}`);
    }
  });
  return wrong.slice(0, 10);
}"""

# Every control has a name of its own, every id is one element, headings leave no step out.
_STRUCTURE = """() => {
  const wrong = [];
  const name = (each) =>
    each.getAttribute("aria-label") || each.labels?.[0]?.textContent || each.textContent;
  for (const each of document.querySelectorAll("a, button, input, select, summary"))
    if (!name(each).trim()) wrong.push(`without a name: ${each.outerHTML.slice(0, 90)}`);
  for (const each of document.querySelectorAll("img"))
    if (!each.hasAttribute("alt")) wrong.push(`without alt: ${each.outerHTML.slice(0, 90)}`);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`twice: #${id}`);
  for (const each of document.querySelectorAll("[aria-labelledby]"))
    if (!ids.includes(each.getAttribute("aria-labelledby"))) wrong.push("labelled by nothing");
  let level = 0;
  for (const each of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(each.nodeName[1]);
    if (next > level + 1) wrong.push(`h${next} after h${level}: ${each.textContent.trim()}`);
    level = next;
  }
  for (const only of ["h1", "main", "header", "title", "[aria-live], [role=status]"])
    if (document.querySelectorAll(only).length !== 1) wrong.push(`not one ${only}`);
  if (!document.documentElement.lang) wrong.push("no language");
  return wrong.slice(0, 10);
}"""

# Contrast by the formula of WCAG 2.2, of each text with the ground it is painted on.
_CONTRAST = """() => {
  const wrong = new Set();
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // What is painted with SVG says so in `data-ground`.
  const rgb = (hex) => `rgb(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))})`;
  const ground = (each) => {
    for (; each; each = each.parentElement) {
      if (each.dataset?.ground) return rgb(each.dataset.ground);
      const colour = getComputedStyle(each).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walk.nextNode()) {
    const each = walk.currentNode.parentElement;
    if (!walk.currentNode.nodeValue.trim() || !each.checkVisibility()) continue;
    texts++;
    const found = ratio(getComputedStyle(each).color, ground(each));
    if (found < 4.5) wrong.add(`${found.toFixed(2)}: ${each.outerHTML.slice(0, 80)}`);
  }
  for (const each of document.querySelectorAll("input, select, button")) {
    if (!each.checkVisibility() || getComputedStyle(each).borderTopWidth === "0px") continue;
    const found = ratio(getComputedStyle(each).borderTopColor, ground(each.parentElement));
    if (found < 3) wrong.add(`edge ${found.toFixed(2)}: ${each.outerHTML.slice(0, 80)}`);
  }
  if (texts < 5) wrong.add("there is hardly any text");
  return [...wrong].slice(0, 10);
}"""


def pictures_in(folder: Path) -> Path:
    """Return where pictures go: to the guides if they are asked for, else to this folder."""
    return Path(__file__).parents[2] / "docs" / "images" if PICTURES else folder


def take(page: Any, path: Path, *, width: int = 1280, scheme: str = "light") -> None:
    """Take a picture of a whole page."""
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(color_scheme=scheme)
    # What is drawn takes its new size and colours with the next frames.
    page.evaluate("() => new Promise((done) => setTimeout(done, 150))")
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


def problems(page: Any) -> list[str]:
    """List what is wrong with a page as it is shown now."""
    found: list[str] = []
    for check in (_LAYOUT, _STRUCTURE, _CONTRAST):
        found += page.evaluate(check)
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """Run the browser; skip with what is missing where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Python's package playwright is missing"
    )
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("the program chromium is missing")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end none has an error on its console that was not expected."""
    said: list[str] = []
    with ExitStack() as opened:

        def at(url: str, *, width: int = 800, expect: str = "", **options: Any) -> Any:
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            opened.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(SOON)
            page.on("pageerror", lambda error: said.append(f"{error}"))
            page.on(
                "console",
                lambda line: (
                    said.append(line.text)
                    if line.type in {"error", "warning"} and not (expect and expect in line.text)
                    else None
                ),
            )
            page.goto(url)
            return page

        yield at
    assert not said, "\n".join(said)
