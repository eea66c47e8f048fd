"""What Slack and PagerDuty are sent has their form, is short enough and leads to the next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, field_validator

from services.inbox.payload import Notification
from stack.testing import eventually
from tests.alerting import Alertmanager, alert, running
from tests.receiving import Receiver, receiving

pytestmark = pytest.mark.timeout(60)

RUNBOOK = "http://localhost:8003/runbooks/HighErrorRatio"
SAYS = {
    "summary": "gateway answers 12.4% of requests with 5xx",
    "description": "Over the last 5 minutes 12.4% of the requests were answered with a 5xx status.",
    "runbook_url": RUNBOOK,
}
HOSTILE = '<!channel> & <script>alert(1)</script> *_~`\n\r"quoted" \\ ünï 💥 {{ .Labels }}'

Link = Annotated[HttpUrl, Field(max_length=3000)]


class Strict(BaseModel):
    """A form without further fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def marked_up(text: str) -> str:
    """Refuse what Slack would read as its own: https://docs.slack.dev/messaging/formatting-message-text."""
    outside = re.sub(r"<https?://[^\s<>|]+\|[^<>|]+>", "", text)
    assert "<" not in outside
    assert ">" not in outside
    assert re.sub(r"&(amp|lt|gt);", "", text).count("&") == 0
    return text


class Attachment(Strict):
    """https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments."""

    title: Annotated[str, Field(min_length=5, max_length=300)]
    title_link: Link
    text: Annotated[str, Field(min_length=1, max_length=3000)]
    fallback: Annotated[str, Field(min_length=5, max_length=300)]
    callback_id: Annotated[str, Field(max_length=255)]
    footer: Literal[""]
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
    mrkdwn_in: list[Literal["fallback", "pretext", "text"]]

    _marked_up = field_validator("title", "text", "fallback")(marked_up)

    @field_validator("title", "text", "fallback")
    @classmethod
    def _tidy(cls, text: str) -> str:
        assert text == text.strip()
        assert "\n\n" not in text
        assert not re.search(r"[ \t]\n|<no value>|%!", text)
        return text

    def links(self) -> dict[str, str]:
        """Return the addresses in the text by what they are called."""
        found = re.findall(r"<([^|>]+)\|([^>]+)>", self.text)
        return {name: str(HttpUrl(url.replace("&amp;", "&"))) for url, name in found}


class Message(Strict):
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

    username: Annotated[str, Field(max_length=80)]
    attachments: Annotated[list[Attachment], Field(min_length=1, max_length=1)]


class PagerDutyLink(Strict):
    """One of an event's links."""

    href: Link
    text: Annotated[str, Field(min_length=1)]


class PagerDutyPayload(Strict):
    """What an event is about."""

    summary: Annotated[str, Field(min_length=1, max_length=1024)]
    source: Annotated[str, Field(min_length=1)]
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: AwareDatetime | None = None
    component: str = ""
    group: str = ""
    custom_details: dict[str, Any]


class PagerDutyEvent(Strict):
    """https://developer.pagerduty.com/docs/send-alert-event."""

    routing_key: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    dedup_key: Annotated[str, Field(min_length=1, max_length=255)]
    event_action: Literal["trigger", "acknowledge", "resolve"]
    payload: PagerDutyPayload
    client: str
    client_url: Link
    links: list[PagerDutyLink] = []


Slack = Receiver[Message]
Start = Callable[..., Alertmanager]


@pytest.fixture
def slack() -> Iterator[Slack]:
    with receiving(Message, 200, "ok") as receiver:
        yield receiver


@pytest.fixture
def inbox() -> Iterator[Receiver[Notification]]:
    with receiving(Notification, 200, "{}") as receiver:
        yield receiver


@pytest.fixture
def chat(tmp_path: Path, slack: Slack) -> Iterator[Alertmanager]:
    """Run Alertmanager with the guide's edit for Slack; it is always working hours."""
    secrets = {"slack_url": f"{slack.address}/services/T0/B0/x"}
    with running(tmp_path, "Slack", secrets=secrets, change=always_at_work) as started:
        yield started


def always_at_work(config: dict[str, Any]) -> None:
    config["time_intervals"] = [{"name": "working-hours", "time_intervals": [{}]}]


def next_of(slack: Slack, title: str, end: str = "") -> Attachment:
    """Wait for a message whose title begins and ends so."""

    def found() -> Attachment | None:
        assert slack.refused == []
        every = (message.attachments[0] for message in slack.messages)
        fitting = (each for each in every if each.title.startswith(title))
        return next((each for each in fitting if each.title.endswith(end)), None)

    return eventually(found, title)


def test_a_page_says_what_is_needed_and_its_end_follows(chat: Alertmanager, slack: Slack) -> None:
    """What, where, the value, since when, the first step and three links; then that it is over."""
    labels = {"service": "gateway", "severity": "page"}
    chat.post(alert("HighErrorRatio", labels, annotations=SAYS))
    firing = next_of(slack, "PAGE: HighErrorRatio · gateway")
    assert firing.color == "#c62828"
    assert str(firing.title_link) == "http://localhost:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    lines = firing.text.splitlines()
    assert lines[0] == f"*{SAYS['summary']}*"
    assert lines[1] == SAYS["description"]
    assert re.fullmatch(r"_since \d+ \w{3} \d\d:\d\d:\d\d UTC \(5m \d+s\)_", lines[2])
    assert lines[3].startswith("*First:* <")
    assert len(lines) == 5
    links = firing.links()
    assert links["open the runbook"] == RUNBOOK
    address, _, form = links["Silence it"].partition("?filter=")
    assert address == f"{chat.url}/#/silences/new"
    assert unquote(form) == '{alertname="HighErrorRatio", service="gateway", severity="page"}'

    chat.post(alert("HighErrorRatio", labels, annotations=SAYS, ended=True))
    over = next_of(slack, "RESOLVED: HighErrorRatio · gateway")
    assert over.color == "#2e7d32"
    assert re.search(r"\n_resolved \d+ \w{3} \d\d:\d\d:\d\d UTC after 5m \d+s_\n", over.text)
    assert over.links() == {"The runbook": RUNBOOK}


def test_many_alerts_are_one_message(chat: Alertmanager, slack: Slack) -> None:
    """The first ten of 25, with what tells them apart, and how many more there are."""
    chat.post(
        *(
            alert(
                "TargetDown",
                {"service": "gateway", "severity": "page", "instance": f"gateway-{i}:8000"},
                annotations={**SAYS, "summary": f"gateway-{i} cannot be scraped"},
            )
            for i in range(25)
        )
    )
    found = next_of(slack, "PAGE: TargetDown · gateway (25 firing)")
    lines = found.text.splitlines()
    assert [line[0] for line in lines] == ["•"] * 10 + ["…", "*", "K"]
    told = re.findall(r"• gateway-(\d+) cannot be scraped \(gateway-\1:8000\), since", found.text)
    assert len(set(told)) == 10
    assert lines[10] == "… and 15 more"
    assert "instance" not in found.links()["Silence it"]


def test_each_objective_is_a_message_of_its_own(chat: Alertmanager, slack: Slack) -> None:
    """Alerts of one name and service, but of two objectives, are not mixed."""
    labels = {"service": "gateway", "severity": "page"}
    for slo in ("gateway-availability", "gateway-latency"):
        chat.post(alert("ErrorBudgetBurnFast", {**labels, "slo": slo}))
    for slo in ("gateway-availability", "gateway-latency"):
        next_of(slack, f"PAGE: ErrorBudgetBurnFast · gateway · {slo}")
    assert len(slack.messages) == 2


def test_those_that_fire_come_first(chat: Alertmanager, slack: Slack) -> None:
    """A message with both kinds counts both, and does not hide what fires behind what is over."""
    labels = {"service": "gateway", "severity": "page"}
    every = [
        alert(
            "TargetDown",
            {**labels, "instance": f"{i:02}:1"},
            annotations={"summary": f"{i} is down"},
        )
        for i in range(12)
    ]
    chat.post(*every)
    next_of(slack, "PAGE: TargetDown · gateway (12 firing)")
    ended = alert("TargetDown", ended=True)["endsAt"]
    chat.post(*({**each, "endsAt": ended} for each in every[:11]))
    mixed = next_of(slack, "PAGE: TargetDown · gateway (1 firing, 11 resolved)")
    lines = mixed.text.splitlines()
    assert lines[0].startswith("• 11 is down (11:1), since ")
    assert all(", resolved " in line for line in lines[1:10])
    assert lines[10] == "… and 2 more"


@pytest.mark.parametrize("number", [1, 25])
def test_hostile_texts_stay_text(chat: Alertmanager, slack: Slack, number: int) -> None:
    """Nobody is mentioned, nothing is cut in an escaped character, no limit is passed."""
    long = f"{HOSTILE * 40}{'&' * 3000}"
    chat.post(
        *(
            alert(
                f"A {HOSTILE}",
                {
                    "severity": "page",
                    "service": f"a {HOSTILE * 3}",
                    "component": long,
                    "slo": long,
                    "number": f"{i} {long}",
                    "näme with blanks": HOSTILE,
                },
                annotations={
                    "summary": f"{i} {long}",
                    "description": long,
                    "runbook_url": "javascript:alert(1)",
                },
            )
            for i in range(number)
        )
    )
    end = f" ({number} firing)" if number > 1 else ""
    found = next_of(slack, "PAGE: A &lt;!channel&gt; &amp; ", end)
    assert "javascript" not in found.text
    assert set(found.links()) == {"Silence it"}
    form = unquote(found.links()["Silence it"].partition("?filter=")[2])
    assert form.startswith('{alertname="A <!channel> & <script>')
    assert "\\n" in form
    if number > 1:
        assert found.text.count("\n• ") == 9
        assert "\n… and 15 more\n" in found.text


def test_an_alert_without_labels_and_annotations_is_shown(chat: Alertmanager, slack: Slack) -> None:
    """Nothing is left empty, and no link leads nowhere."""
    chat.post({**alert("-"), "labels": {"severity": "page"}, "annotations": {}})
    found = next_of(slack, "PAGE: an alert without a name")
    assert found.text.startswith("*no summary*\n_since ")
    assert str(found.title_link).rstrip("/") == chat.url
    assert set(found.links()) == {"Silence it"}


def test_tickets_wait_for_working_hours_and_pages_do_not(
    tmp_path: Path, slack: Slack, inbox: Receiver[Notification]
) -> None:
    """At night a ticket is in the inbox and not in the chat; a page is in both."""

    def night(config: dict[str, Any]) -> None:
        long_ago = {"years": ["2000"]}
        config["time_intervals"] = [{"name": "working-hours", "time_intervals": [long_ago]}]

    with running(
        tmp_path,
        "Slack",
        inbox=inbox.address.removeprefix("http://"),
        secrets={"slack_url": slack.address},
        change=night,
    ) as started:
        started.post(alert("HighLatency", {"service": "gateway", "severity": "ticket"}))
        suppressed = "alertmanager_notifications_suppressed_total"
        eventually(
            lambda: started.counted(suppressed, reason="active_time_interval"), "it is kept back"
        )
        started.post(alert("HighErrorRatio", {"service": "llm", "severity": "page"}))
        next_of(slack, "PAGE: HighErrorRatio · llm")
        eventually(
            lambda: (
                {each.alerts[0].name for each in inbox.messages}
                == {"HighLatency", "HighErrorRatio"}
            ),
            "both are in the inbox",
        )
    titles = {message.attachments[0].title for message in slack.messages}
    assert titles == {"PAGE: HighErrorRatio · llm"}


def test_by_day_a_ticket_is_in_the_chat(chat: Alertmanager, slack: Slack) -> None:
    """Within working hours the same route sends it."""
    chat.post(alert("HighLatency", {"service": "gateway", "severity": "ticket"}))
    assert next_of(slack, "TICKET: HighLatency · gateway").color == "#ef6c00"


def test_pagerduty_is_called_and_called_off(tmp_path: Path) -> None:
    """A page opens an incident with its links, its end closes the same one; a ticket opens none."""
    with receiving(PagerDutyEvent, 202, '{"status": "success"}') as pagerduty:

        def point(config: dict[str, Any]) -> None:
            config["global"] = {"pagerduty_url": f"{pagerduty.address}/v2/enqueue"}

        labels = {"service": "gateway", "severity": "page", "component": "llm"}
        secrets = {"pagerduty_key": "0123456789abcdef" * 2}
        with running(tmp_path, "PagerDuty", secrets=secrets, change=point) as started:
            started.post(
                alert("HighLatency", {"service": "gateway", "severity": "ticket"}),
                alert("CircuitBreakerOpen", labels, annotations=SAYS),
            )
            eventually(lambda: pagerduty.messages, "the incident is opened")
            started.post(alert("CircuitBreakerOpen", labels, annotations=SAYS, ended=True))
            eventually(lambda: len(pagerduty.messages) == 2, "it is closed")
    opened, closed = pagerduty.messages
    assert (opened.event_action, closed.event_action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key
    assert opened.payload.summary == f"PAGE: CircuitBreakerOpen · gateway · llm: {SAYS['summary']}"
    assert opened.payload.severity == "critical"
    assert (opened.payload.group, opened.payload.component) == ("gateway", "llm")
    assert "First: open the runbook" in opened.payload.custom_details["message"]
    assert [link.text for link in opened.links] == ["Runbook", "Query", "Silence"]
    assert str(opened.links[0].href) == RUNBOOK


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Message, '{"attachments": []}'),
        (Message, '{"username": "a", "attachments": [{}]}'),
        (Message, '{"text": "a", "username": "a", "attachments": []}'),
        (PagerDutyEvent, '{"event_action": "trigger"}'),
    ],
)
def test_the_stand_ins_are_strict(form: type[BaseModel], body: str) -> None:
    """What lacks a field or has one more is refused, so that a wrong message would be seen."""
    receiver = Receiver(form, 200, "ok")
    assert receiver.take(body.encode()) == (400, "refused")
    assert receiver.refused
    assert receiver.messages == []


@pytest.mark.parametrize("text", ["<!channel>", "a & b", "<https://x.example/|", "<b>", "&#39;"])
def test_markup_that_slack_would_obey_is_refused(text: str) -> None:
    """The stand-in knows a mention, a bare sign and a half link."""
    with pytest.raises(AssertionError):
        marked_up(text)
