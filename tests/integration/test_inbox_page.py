"""The inbox' pages in a browser: readable at every width, usable by keyboard, up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.browser import (
    chromium,
    looking,
    pictures_in,
    problems,
    take,
)
from tests.integration.inbox_pages import (
    BY,
    Inbox,
    a_few,
    alert,
    inbox_with,
    many,
    moment,
    notification,
)

FILLED: dict[int, Callable[[], list[dict[str, Any]]]] = {0: list, 5: a_few, 500: many}


def new(**changes: Any) -> dict[str, Any]:
    """Make the notification of an alert that has just begun."""
    made = alert("TargetDown", "page", {"service": "llm"}, "llm does not answer", began=1)
    return notification([{**made, **changes}], BY)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def inboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Inbox]]:
    """Run inboxes with so many alerts, for tests that only look."""
    with ExitStack() as running:
        folder = tmp_path_factory.mktemp("inboxes")
        yield {
            number: running.enter_context(inbox_with(folder / str(number), *make()))
            for number, make in FILLED.items()
        }


@pytest.fixture(scope="module")
def history(inboxes: dict[int, Inbox]) -> str:
    """Return the address of an alert's history."""
    alerts = httpx.get(f"{inboxes[5].url}/api/alerts", params={"severity": "page"}).json()
    return f"/alerts/{alerts['alerts'][0]['fingerprint']}"


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """Run an inbox with a few alerts, for a test that changes it."""
    with inbox_with(tmp_path, *a_few()) as running:
        yield running


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; see `looking`."""
    with looking(browser) as at:
        yield at


Look = Callable[..., Any]


# Colours do not depend on the width, so that the dark ones are looked at in one.
VIEWS = ((360, "light"), (800, "light"), (1440, "light"), (1440, "dark"))


def problems_in_every_view(page: Any) -> list[str]:
    """List what is wrong with a page at each width and in both schemes; it is loaded once."""
    found = []
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found += [f"{width} px, {scheme}: {each}" for each in problems(page)]
    return found


def test_the_guides_pictures(
    inboxes: dict[int, Inbox], look: Look, history: str, tmp_path: Path
) -> None:
    """What fires, an alert's history, and the same on a telephone."""
    folder = pictures_in(tmp_path)
    page = look(inboxes[5].url, width=900)
    for name, width in (("inbox-firing", 900), ("inbox-phone", 360)):
        page.set_viewport_size({"width": width, "height": 740})
        page.screenshot(path=folder / f"{name}.png")
    take(look(f"{inboxes[5].url}{history}", width=900), folder / "inbox-history.png", width=900)


@pytest.mark.parametrize("number", [0, 5, 500])
def test_the_list_is_readable(inboxes: dict[int, Inbox], look: Look, number: int) -> None:
    """No text off the window or on another, none too faint, nothing without a name."""
    page = look(inboxes[number].url)
    assert page.title() == (f"({number}) Inbox" if number else "Inbox")
    assert problems_in_every_view(page) == []
    for closed in page.locator(".silence > summary:visible").all()[:3]:
        closed.click()
    assert problems_in_every_view(page) == []


@pytest.mark.parametrize(
    "address",
    ["{history}", "/runbooks/Watchdog", "/alerts/beef", "/?text=nowhere", "/?status=resolved"],
)
def test_the_other_pages_are_readable(
    inboxes: dict[int, Inbox], look: Look, history: str, address: str
) -> None:
    """The history of an alert, a runbook, an error, a filter that nothing passes."""
    page = look(inboxes[5].url + address.format(history=history), expect="404")
    found = problems_in_every_view(page)
    # Pages that stay as they are announce nothing.
    assert [
        each for each in found if "aria-live" not in each or page.locator("#state").count()
    ] == []


def test_a_fault_of_a_page_is_found(inboxes: dict[int, Inbox], look: Look) -> None:
    """What is too wide at one width alone, or too faint in one scheme alone, is named with it."""
    page = look(inboxes[5].url, bypass_csp=True)
    page.add_style_tag(content="h1 { min-width: 700px; }")
    assert {each[:6] for each in problems_in_every_view(page)} == {"360 px"}
    page = look(inboxes[5].url, bypass_csp=True)
    page.add_style_tag(content="@media (prefers-color-scheme: dark) { h1 { color: #222; } }")
    (found,) = problems_in_every_view(page)
    assert found.startswith("1440 px, dark: ")


def test_odd_alerts_are_readable(inbox: Inbox, look: Look) -> None:
    """Words without end, text from right to left, one that begins tomorrow."""
    labels = {"service": "s" * 300, "a b": "\u202elive", "slo": "<b>"}
    inbox.send(notification([alert("N" * 300, "very-long-severity" * 3, labels, "W" * 3_000)], BY))
    inbox.send(notification([alert("Early", "ticket", labels, "soon", began=-86_400)], BY))
    assert problems_in_every_view(look(inbox.url)) == []


def test_large_groups_are_cut_and_reached(inboxes: dict[int, Inbox], look: Look) -> None:
    """Of 250 alerts five are shown, with a way to the others, page by page."""
    page = look(inboxes[500].url)
    assert page.locator(".alert").count() < 250
    page.get_by_role("link", name="All 250 alerts of this group").click()
    assert page.locator(".alert").count() == 50
    assert page.get_by_role("link", name="of this group").count() == 0
    assert problems(page) == []
    page.get_by_role("link", name="Next").click()
    assert page.get_by_text("Page 2 of 5").is_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_filters_need_no_script(inboxes: dict[int, Inbox], look: Look, scripts: bool) -> None:
    """A form that is sent; what it asks for is in the address and in the form."""
    page = look(inboxes[5].url, java_script_enabled=scripts)
    page.get_by_label("Severity").select_option("ticket")
    page.get_by_label("Words").fill("MEMORY")
    page.get_by_role("button", name="Filter").click()
    assert page.locator(".alert").count() == 1
    assert page.get_by_text("1 of 5 match").is_visible()
    assert page.get_by_label("Words").input_value() == "MEMORY"
    page.get_by_role("link", name="Show all").click()
    assert page.locator(".alert").count() == 5


def test_the_keyboard_reaches_everything_in_order(inboxes: dict[int, Inbox], look: Look) -> None:
    """The skip link first, then down the page, each with a visible focus, and out at the end."""
    page = look(inboxes[5].url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the alerts"
    walked, tops = [], []
    for _ in range(200):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => {
              const each = document.activeElement, style = getComputedStyle(each);
              return each === document.body ? null : {
                text: each.textContent.trim() || each.id, id: each.id,
                top: each.getBoundingClientRect().top + scrollY,
                seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
            }"""
        )
        if here is None:
            break
        assert here["seen"], here
        walked.append(here["text"])
        tops.append(here["top"])
    else:
        pytest.fail(f"the keyboard is trapped at {walked[-1]}")
    wanted = page.locator(
        "a:visible, button:visible, input:visible, select:visible, summary:visible"
    )
    assert len(walked) == wanted.count() - 1
    assert all(later > earlier - 40 for earlier, later in pairwise(tops))


def test_the_keyboard_opens_and_skips(inboxes: dict[int, Inbox], look: Look) -> None:
    """The skip link leads to the content; Enter opens a silence and folds a group."""
    page = look(inboxes[5].url)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    silence = page.locator(".silence").first
    silence.locator("summary").focus()
    page.keyboard.press("Enter")
    assert silence.get_by_text("amtool silence add").is_visible()
    group = page.locator(".group").first
    group.locator("summary").first.focus()
    page.keyboard.press("Space")
    assert not group.locator(".alert").is_visible()


def test_the_silence_is_copied(inboxes: dict[int, Inbox], look: Look) -> None:
    """The whole command, and it is said that it was."""
    page = look(inboxes[5].url, permissions=["clipboard-read", "clipboard-write"])
    silence = page.locator(".silence").first
    silence.locator("summary").click()
    silence.get_by_role("button", name="Copy the command").click()
    silence.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == silence.locator("code").text_content()
    assert copied.startswith("amtool silence add --alertmanager.url=http://localhost:9093 ")
    form = silence.get_by_role("link", name="form").get_attribute("href")
    assert form.startswith("http://localhost:9093/#/silences/new?filter=%7Balertname%3D")


def test_what_moves_can_be_stilled(inboxes: dict[int, Inbox], look: Look) -> None:
    """Who asks for less motion gets none."""
    page = look(inboxes[5].url, reduced_motion="reduce")
    moving = """() => {
      const each = document.querySelector(".alert");
      each.classList.add("fresh");
      return getComputedStyle(each).animationName;
    }"""
    assert page.evaluate(moving) == "none"
    assert look(inboxes[5].url).evaluate(moving) == "fresh"


def test_a_new_alert_appears_in_place(inbox: Inbox, look: Look) -> None:
    """Without a reload: focus, scroll position, what is open and what is typed stay."""
    page = look(inbox.url)
    page.evaluate("window.stays = true")
    page.get_by_label("Words").fill("half a wo")
    page.locator(".group", has_text="SeriesBudgetExceeded").locator("summary").first.click()
    kept = page.locator(".alert", has_text="retrieval is slow")
    kept.locator(".silence > summary").click()
    link = kept.get_by_role("link", name="Query")
    link.focus()
    page.evaluate("scrollTo(0, 400)")
    top = link.bounding_box()["y"]
    inbox.send(new())
    page.get_by_role("heading", name="llm does not answer").wait_for()
    assert page.title() == "(6) Inbox"
    assert page.get_by_role("heading", name="6 firing").is_visible()
    assert page.locator("h4").first.text_content() == "llm does not answer"
    assert link.evaluate("each => each === document.activeElement")
    assert abs(link.bounding_box()["y"] - top) < 4
    assert kept.get_by_text("amtool silence add").is_visible()
    assert not page.get_by_role("heading", name="gateway offers 2,310 series").is_visible()
    assert page.get_by_label("Words").input_value() == "half a wo"
    assert page.evaluate("window.stays")
    said = page.locator("[role=status]").text_content()
    assert said == "New: page TargetDown llm: llm does not answer. 6 firing."
    assert problems(page) == []


def test_a_resolved_alert_takes_the_focus_with_it(inbox: Inbox, look: Look) -> None:
    """It goes down to the resolved ones; what had the focus there goes on having it."""
    begun = new()
    inbox.send(begun)
    page = look(inbox.url)
    shown = page.locator(".alert", has_text="llm does not answer")
    shown.get_by_role("link", name="History").focus()
    inbox.send(new(startsAt=begun["alerts"][0]["startsAt"], status="resolved", endsAt=moment(0)))
    shown.wait_for(state="detached")
    assert page.title() == "(5) Inbox"
    assert page.evaluate("document.activeElement.textContent") == "TargetDown"
    assert page.locator("[role=status]").text_content() == "1 no longer firing. 5 firing."


def test_an_inbox_that_is_away_is_said_to_be(inbox: Inbox, look: Look) -> None:
    """The page says since when, goes on showing what it knows, and recovers by itself."""
    page = look(inbox.url, expect="ERR_CONNECTION")
    away = page.locator("#away")
    assert not away.is_visible()
    inbox.stop()
    away.wait_for(state="visible")
    assert "has not answered since 20" in away.text_content()
    assert away.get_attribute("role") == "alert"
    assert page.locator(".alert").count() == 5
    assert not page.get_by_text("Alerts arrive.").is_visible()
    assert problems(page) == []
    inbox.start()
    inbox.send(new())
    away.wait_for(state="hidden")
    page.get_by_role("heading", name="llm does not answer").wait_for()


def test_the_history_updates_itself(inbox: Inbox, look: Look) -> None:
    """A transition is there soon after it was heard."""
    page = look(inbox.url)
    page.locator(".alert", has_text="retrieval is slow").get_by_role("link", name="History").click()
    assert page.get_by_role("heading", name="HighLatency").is_visible()
    (slow,) = (
        each["alerts"][0]
        for each in a_few()
        if each["status"] == "firing" and each["groupLabels"].get("service") == "retrieval"
    )
    began = page.locator("#history h3 time").first.get_attribute("datetime")
    slow = {**slow, "startsAt": began, "status": "resolved", "endsAt": moment(0)}
    inbox.send(notification([slow], BY))
    page.locator(".transitions").get_by_text("resolved").wait_for()
    assert page.locator("#state").get_by_text("resolved", exact=True).is_visible()
    assert problems(page) == []
