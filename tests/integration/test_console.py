"""The console in a browser: each page under load and during a fault, looked at by rules."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboards.boards import OF_PAIRS, boards
from tests.integration.browser import PICTURES, chromium, looking, pictures_in, problems, take
from tests.integration.conftest import until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = [
    pytest.mark.timeout(600 if PICTURES else 300),
    pytest.mark.parametrize("pipeline", ["local"], indirect=True),
]

Look = Callable[..., Any]
VIEWS = ((1280, "light"), (1280, "dark"), (1920, "light"), (1920, "dark"))
BOARDS = sorted(boards())
# With time that runs ten times as fast, this is what an hour is.
SINCE = "from=now-6m&to=now"
# Of what is only there while something is wrong, or with Jaeger and Grafana themselves.
MAY_BE_EMPTY = [
    *("Firing alerts", "Alerts, with those that wait", "Alerts over time"),
    *("Openings", "Repeated", "Spread of delay", "Refused by Jaeger", "Grafana's errors"),
    *OF_PAIRS,
]
# What a dashboard has to choose to show the fault.
FAULTY = {"service": "&var-service=llm", "slo": "&var-slo=llm-availability"}

# Each panel shows something, or says why not; none stands on another, and nothing is cut off.
_PANELS = """(mayBeEmpty) => {
  const wrong = [];
  const panels = [...document.querySelectorAll(".panel")];
  if (panels.length < 5) wrong.push(`only ${panels.length} panels`);
  const box = (each) => each.getBoundingClientRect();
  panels.forEach((one, place) => panels.slice(place + 1).forEach((other) => {
    const [a, b] = [box(one), box(other)];
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 0.5 && high > 0.5) wrong.push(`${one.id} and ${other.id} overlap`);
  }));
  const near = (one, other) => one.every((each, at) => Math.abs(each - other[at]) < 40);
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const marks = JSON.parse(document.getElementById("marks").textContent);
  const { from, to } = document.getElementById("live").dataset;
  const edge = 0.05 * (to - from);
  const inside = (mark) => mark.time - from > edge && to - mark.time > edge;
  const missing = (chart) => {
    const spec = JSON.parse(chart.querySelector("script").textContent);
    const canvas = chart.querySelector("canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const painted = (colour) => {
      const wanted = rgb(colour);
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200 && near(wanted, [...data.slice(at, at + 3)])) return true;
      return false;
    };
    const wrong = [];
    const courses = spec.kind === "lines" ? spec.series.map((each) => each.color)
      : spec.kind === "states" ? Object.values(spec.states).map((each) => each[1]) : ["#3274d9"];
    if (!courses.some(painted)) wrong.push("nothing is drawn");
    const high = Math.max(0, ...(spec.series ?? []).flatMap((each) => each.values));
    for (const limit of spec.limits ?? [])
      if (limit.value < 0.95 * (spec.max ?? high) && !painted(limit.color)) wrong.push("no limit");
    for (const mark of marks.filter(inside))
      if (!painted(mark.color)) wrong.push(`no mark of ${mark.title}`);
    return wrong;
  };
  for (const panel of panels) {
    const title = panel.querySelector("h2").textContent;
    const say = (what) => wrong.push(`${title}: ${what}`);
    if (panel.querySelector(".problem")) say(panel.querySelector(".problem").textContent);
    if (/undefined|NaN|\\[object|Infinity/.test(panel.innerText)) say(panel.innerText);
    for (const text of panel.querySelectorAll("h2, .tile b"))
      if (text.scrollWidth > text.clientWidth + 1) say(`cut off: ${text.textContent}`);
    const tile = panel.querySelector(".tile b");
    if (tile && /^(no data|–)/.test(tile.textContent)) say(tile.textContent);
    const empty = panel.querySelector(".empty");
    if (empty && !mayBeEmpty.includes(title)) say(`is empty: ${empty.textContent}`);
    if (empty) continue;
    const chart = panel.querySelector(".chart");
    if (chart) missing(chart).forEach(say);
    const shown = ".tile, .dial, .bars li, tbody tr, .alert-line, .dashlist li, .text, canvas";
    if (!panel.querySelector(shown)) say("shows nothing");
  }
  return wrong;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def look(pipeline: Pipeline, browser: Any) -> Iterator[Look]:
    """Open pages of the console; at the end none has an error on its own console."""
    with looking(browser) as opened:

        def at(path: str, **options: Any) -> Any:
            page = opened(pipeline.url("CONSOLE_PORT", path), **options)
            if path.startswith("/d/"):
                page.wait_for_selector("html[data-ready]", state="attached")
            return page

        yield at


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> None:
    """What is recorded least often is there for every service."""
    budgets = "count(slo:error_budget_remaining:ratio) == count(slo:objective:ratio)"
    for record in ("service:http_server_requests:rate5m", budgets):
        until(functools.partial(pipeline.query, record), f"{record} is recorded")


@pytest.fixture(scope="module")
def fault(pipeline: Pipeline, filled: None) -> Iterator[None]:
    """The model fails until its breaker is open and an alert fires."""
    if PICTURES:
        old = "time() - min(process_start_time_seconds) > 240"
        until(lambda: pipeline.query(old), "there is something to see", deadline=280)
    wanted = 'ALERTS{alertname="CircuitBreakerOpen", component="llm", alertstate="firing"}'
    pipeline.fault("LLM_PORT", kind="error", status=500, probability=1.0, duration_seconds=280)
    try:
        until(lambda: pipeline.query(wanted), "the breaker's alert fires", deadline=90)
        if PICTURES:
            lasts = 'time() - ALERTS_FOR_STATE{alertname="CircuitBreakerOpen"} > 60'
            until(lambda: pipeline.query(lasts), "there is a course to see", deadline=90)
        yield
    finally:
        pipeline.end_faults("LLM_PORT")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: to the guides if they are asked for."""
    return pictures_in(tmp_path_factory.mktemp("pictures"))


def wrong_in_every_view(page: Any, *, panels: bool) -> list[str]:
    """List what is wrong with a page at each width and in both schemes."""
    found = []
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)
        # Charts take their new size and colours with the next frames.
        page.evaluate("() => new Promise((done) => setTimeout(done, 150))")
        said = problems(page) + (page.evaluate(_PANELS, MAY_BE_EMPTY) if panels else [])
        found += [f"{width} px, {scheme}: {each}" for each in said]
    return found


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_is_readable_under_load(look: Look, filled: None, board: str) -> None:
    """No panel is empty without a word, nothing overlaps, all can be read in each view."""
    page = look(f"/d/stack-{board}?{SINCE}")
    assert not (wrong := wrong_in_every_view(page, panels=True)), "\n".join(wrong)


def test_the_overview_is_filled_a_minute_after_the_start(pipeline: Pipeline, look: Look) -> None:
    """Every panel that shows courses has values of now."""
    page = look(f"/d/stack-overview?{SINCE}")
    charts = page.eval_on_selector_all(
        ".chart script", "(all) => all.map((each) => JSON.parse(each.textContent))"
    )
    assert charts
    for chart in charts:
        ends = [each["values"][-3:] for each in chart["series"]]
        assert any(value is not None for end in ends for value in end), chart["title"]


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_is_readable_in_a_fault(
    look: Look, fault: None, pictures: Path, board: str
) -> None:
    """Also with alerts, open breakers and errors to show."""
    page = look(f"/d/stack-{board}?{SINCE}{FAULTY.get(board, '')}")
    assert not (wrong := wrong_in_every_view(page, panels=True)), "\n".join(wrong)
    take(page, pictures / f"dashboard-{board}.png")
    if board == "overview":
        take(page, pictures / "dashboard-overview-dark.png", scheme="dark")


def test_three_clicks_lead_from_the_overview_to_the_guilty_span(
    look: Look, fault: None, pictures: Path
) -> None:
    """As the overview itself says: the red service, the newest of its traces, the failed span."""
    page = look(f"/d/stack-overview?{SINCE}")
    assert "The red one of Errors by service" in page.locator(".panel.text").inner_text()
    page.locator(".panel", has_text="Errors by service").locator("a.tile", has_text="llm").click()
    page.wait_for_url(re.compile("/search.*service=llm"))
    assert not (wrong := wrong_in_every_view(page, panels=False)), "\n".join(wrong)
    take(page, pictures / "traces.png")
    page.locator("tbody a").first.click()
    page.wait_for_url(re.compile("/trace/[0-9a-f]{32}"))
    page.get_by_role("link", name="The error begins").click()
    guilty = page.locator("#guilty")
    assert "llm" in guilty.inner_text()
    assert "500" in guilty.inner_text()
    assert guilty.locator("dl").first.is_visible(), "it is open"
    assert not (wrong := wrong_in_every_view(page, panels=False)), "\n".join(wrong)
    take(page, pictures / "trace.png")


def test_the_way_over_a_services_dashboard_leads_there_too(look: Look, fault: None) -> None:
    """From a legend to the service, from there to its traces with errors."""
    page = look(f"/d/stack-overview?{SINCE}")
    page.locator(".timeseries", has_text="Errors").locator(".legend a", has_text="llm").click()
    page.wait_for_url(re.compile("/d/stack-service.*var-service=llm"))
    page.get_by_role("link", name="Traces with errors").first.click()
    page.wait_for_url(re.compile("/search.*service=llm"))
    page.locator("tbody a").first.click()
    page.wait_for_url(re.compile("/trace/[0-9a-f]{32}"))
    assert "llm" in page.locator("#guilty").inner_text()


def test_every_link_of_every_page_leads_somewhere(
    pipeline: Pipeline, look: Look, fault: None
) -> None:
    """Also those to runbooks, traces and the inbox that a fault brings up."""
    pages = ["/alerts", *(f"/d/stack-{board}?{SINCE}{FAULTY.get(board, '')}" for board in BOARDS)]
    links: set[str] = set()
    for path in pages:
        page = look(path)
        links |= set(page.eval_on_selector_all("a[href]", "(all) => all.map((each) => each.href)"))
    assert any("/runbooks/CircuitBreakerOpen" in link for link in links)
    assert any("/trace/" in link for link in links)
    kinds = {re.sub(r"from=.*?&to=\w+|/trace/.*", "", link): link for link in links}
    for link in kinds.values():
        assert pipeline.http.get(link, follow_redirects=True).status_code == 200, link


def test_an_arrow_key_does_not_leave_the_page(look: Look) -> None:
    """It is a step on the way to what is meant; Enter chooses."""
    page = look(f"/d/stack-overview?{SINCE}")
    before = page.url
    page.get_by_label("Time").press("ArrowDown")
    page.get_by_label("Time").press("ArrowDown")
    assert page.url == before
    page.get_by_label("Time").press("Enter")
    page.wait_for_url(re.compile("from=now-"))
    assert page.url != before


def test_what_fires_has_its_runbook_dashboard_and_traces(
    pipeline: Pipeline, look: Look, fault: None, pictures: Path
) -> None:
    """Each link of an alert leads to a page."""
    page = look("/alerts")
    card = page.locator(".alert", has_text="CircuitBreakerOpen").first
    assert "firing for" in card.inner_text()
    for name in ("Runbook", "Dashboard"):
        address = card.get_by_role("link", name=name).get_attribute("href")
        assert pipeline.http.get(address, follow_redirects=True).status_code == 200, address
    assert not (wrong := wrong_in_every_view(page, panels=False)), "\n".join(wrong)
    take(page, pictures / "firing.png")


def test_an_exemplar_opens_its_trace(look: Look) -> None:
    """A dot does for the mouse, and for the keyboard a link among what the panel says of itself."""
    page = look(f"/d/stack-service?var-service=gateway&{SINCE}", width=1280)
    page.locator(".heatmap a.dot").last.click()
    page.wait_for_url(re.compile("/trace/[0-9a-f]{32}"))
    assert "gateway" in page.locator("h1").inner_text()
    page.go_back()
    page.get_by_role("button", name="About Spread of latency").press("Enter")
    page.locator(".about-text:popover-open a").first.press("Enter")
    page.wait_for_url(re.compile("/trace/[0-9a-f]{32}"))


def test_an_answer_leads_to_its_trace_in_the_console(
    pipeline: Pipeline, look: Look, pictures: Path
) -> None:
    """From the page on which a question is asked to the way that it took."""
    page = look("/")
    page.goto(pipeline.url("GATEWAY_PORT", "/"))
    page.get_by_role("button", name="What do I do when CircuitBreakerOpen fires?").click()
    page.locator("#sources li").first.wait_for()
    take(page, pictures / "ask.png", width=900)
    address = page.get_by_role("link", name="Open the trace").get_attribute("href")
    assert address.startswith(pipeline.url("CONSOLE_PORT", "/trace/"))
    until(lambda: pipeline.http.get(address).status_code == 200, "the trace has arrived")


def test_time_and_variables_are_chosen_and_kept(look: Look) -> None:
    """A choice is in the address, and goes along to the next dashboard."""
    page = look(f"/d/stack-service?{SINCE}")
    page.get_by_label("Service").select_option("llm")
    page.wait_for_url(re.compile("var-service=llm"))
    page.get_by_label("Time").select_option("now-15m")
    page.wait_for_url(re.compile("from=now-15m"))
    assert "var-service=llm" in page.url
    page.get_by_role("navigation").get_by_role("link", name="LLM").click()
    page.wait_for_url(re.compile("/d/stack-llm.*from=now-15m"))


def test_one_crosshair_stands_in_all_charts(look: Look) -> None:
    """What happened elsewhere at that moment is seen at a glance; values stand at the pointer."""
    page = look(f"/d/stack-overview?{SINCE}", width=1280)
    over = page.locator(".timeseries .u-over").first
    over.hover(position={"x": over.bounding_box()["width"] - 5, "y": 20})
    lines = page.locator(".u-cursor-x")
    assert lines.count() == page.locator(".chart").count()
    places = lines.evaluate_all("(all) => all.map((each) => getComputedStyle(each).transform)")
    assert all(place not in {"none", "matrix(1, 0, 0, 1, -10, 0)"} for place in places), places
    assert page.locator(".tip:visible").count() == 1
    assert "req/s" in page.locator(".tip:visible").inner_text()


def test_a_stretch_that_is_drawn_becomes_the_time(look: Look) -> None:
    """Dragging over a chart chooses its moments for the whole page."""
    page = look(f"/d/stack-overview?{SINCE}", width=1280)
    box = page.locator(".timeseries .u-over").first.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 30, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))


def test_a_series_that_is_switched_off_stays_off(look: Look) -> None:
    """Through the next refresh, too."""
    page = look(f"/d/stack-overview?{SINCE}", width=1280)
    panel = page.locator(".panel.timeseries").first
    toggle = panel.locator(".toggle").first
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    page.mouse.move(0, 0)
    old = panel.element_handle()
    page.wait_for_function("(old) => !old.isConnected", arg=old, timeout=15_000)
    assert panel.locator(".toggle").first.get_attribute("aria-pressed") == "false"
