"""Mail arrives over TLS, as a page and as text, and nothing that stands in it is obeyed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from urllib.parse import unquote

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from stack.ops.ports import free_port
from stack.testing import eventually
from tests.alerting import Alertmanager, alert, running
from tests.integration.browser import chromium, pictures_in

pytestmark = pytest.mark.timeout(60)

RUNBOOK = "http://localhost:8003/runbooks/HighErrorRatio"
QUERY = "http://localhost:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
SAYS = {
    "summary": "gateway answers 12.4% of requests with 5xx",
    "description": "Over the last 5 minutes 12.4% of the requests were answered with a 5xx status.",
    "runbook_url": RUNBOOK,
}
PASSWORD = "correct horse battery staple"
HOSTILE = "<script>alert('x')</script>\r\nBcc: all@example.com\r\n\"quoted\" & ünï 💥"


class Mailbox:
    """The SMTP server's side: who may send, and what came."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        """Take the one user with the one password."""
        known = LoginPassword(b"alerts@example.com", PASSWORD.encode())
        return AuthResult(success=given == known)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail; one that came without TLS would have been refused before."""
        assert session.ssl is not None
        assert session.authenticated
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.envelopes.append(envelope)
        self.mails.append(mail)
        return "250 OK"


class Page(HTMLParser):
    """What of a page can be seen, and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.tags: set[str] = set()
        self.text = ""
        self._href = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        assert not any(name.startswith("on") for name in given)
        self._href = given.get("href") or ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href:
            self.links[data.strip()] = self._href
            self._href = ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for this machine, with its key in the same file."""
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", f"{path}.crt"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with path.open("a") as whole:
        whole.write(Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def mailbox(certificate: Path) -> Iterator[tuple[Mailbox, int]]:
    """Serve SMTP with STARTTLS and a password; give the box and the port."""
    box = Mailbox()
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=box.authenticate,
        auth_required=True,
        # Its prompts for LOGIN are not those that Alertmanager knows; PLAIN remains.
        auth_exclude_mechanism=["LOGIN"],
    )
    server.start()
    try:
        yield box, server.port
    finally:
        server.stop()


@pytest.fixture
def sent(mailbox: tuple[Mailbox, int], tmp_path: Path, certificate: Path) -> Iterator[Alertmanager]:
    """Run Alertmanager with the guide's edit for mail, and the test's server in it."""

    def point(config: dict[str, Any]) -> None:
        (receiver,) = (each for each in config["receivers"] if each["name"] == "mail")
        receiver["email_configs"][0]["smarthost"] = f"127.0.0.1:{mailbox[1]}"
        receiver["email_configs"][0]["tls_config"] = {"ca_file": str(certificate)}

    secrets = {"smtp_password": PASSWORD}
    with running(tmp_path, "E-mail", secrets=secrets, change=point) as started:
        yield started


def next_of(box: Mailbox, subject: str) -> tuple[EmailMessage, Page, str]:
    """Wait for a mail with that subject; return it, its page and its text."""

    def found() -> EmailMessage | None:
        return next((mail for mail in box.mails if mail["Subject"] == subject), None)

    mail = eventually(found, subject)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    content = text.get_content().replace("\r\n", "\n")
    assert "\n\n\n" not in content
    assert "<no value>" not in html.get_content() + content
    return mail, Page(html.get_content()), content


def test_the_guides_picture_of_a_mail(
    sent: Alertmanager, mailbox: tuple[Mailbox, int], tmp_path: Path
) -> None:
    """As a reader shows it: no script, nothing fetched."""
    sent.post(alert("HighErrorRatio", {"service": "gateway", "severity": "page"}, annotations=SAYS))
    mail, _, _ = next_of(mailbox[0], "PAGE: HighErrorRatio · gateway")
    html = mail.get_body(("html",))
    assert html is not None
    with chromium() as browser:
        page = browser.new_context(java_script_enabled=False, offline=True).new_page()
        page.set_content(html.get_content())
        page.set_viewport_size({"width": 680, "height": 400})
        page.screenshot(path=pictures_in(tmp_path) / "alert-mail.png", full_page=True)


def test_a_page_says_what_is_needed_and_its_end_follows(
    sent: Alertmanager, mailbox: tuple[Mailbox, int]
) -> None:
    """To whom, from whom, subject, page and text; then that it is over."""
    box, _ = mailbox
    labels = {"service": "gateway", "severity": "page"}
    sent.post(alert("HighErrorRatio", labels, annotations=SAYS))
    mail, page, text = next_of(box, "PAGE: HighErrorRatio · gateway")
    assert (mail["From"], mail["To"]) == ("alerts@example.com", "on-call@example.com")
    assert box.envelopes[0].rcpt_tos == ["on-call@example.com"]
    assert mail.get_content_type() == "multipart/alternative"
    for shown in (page.text, text):
        assert "First: open the runbook" in shown
        assert SAYS["summary"] in shown
        assert SAYS["description"] in shown
        assert re.search(r"since \d+ \w{3} \d\d:\d\d:\d\d UTC \(5m \d+s\)", shown)
    assert page.links["Runbook"] == RUNBOOK
    assert page.links["Query"] == QUERY
    form = '{alertname="HighErrorRatio", service="gateway", severity="page"}'
    told = dict(re.findall(r"(?m)^(\w+): (http\S+)$", text))
    for silence in (page.links["Silence"], told.pop("Silence")):
        assert not re.search(r'[ "{}<>]', silence)
        assert unquote(silence) == f"{sent.url}/#/silences/new?filter={form}"
    assert told == {"Runbook": RUNBOOK, "Query": QUERY, "Alertmanager": sent.url}

    sent.post(alert("HighErrorRatio", labels, annotations=SAYS, ended=True))
    _, page, text = next_of(box, "RESOLVED: HighErrorRatio · gateway")
    for shown in (page.text, text):
        assert re.search(r"resolved \d+ \w{3} \d\d:\d\d:\d\d UTC after 5m \d+s", shown)
        assert "First:" not in shown
    assert "Silence" not in page.links
    assert page.links["Runbook"] == RUNBOOK


def test_many_alerts_are_one_mail(sent: Alertmanager, mailbox: tuple[Mailbox, int]) -> None:
    """The first ten of 25; what they have in common is said once."""
    alerts = [
        alert(
            "TargetDown",
            {"service": "gateway", "severity": "page", "instance": f"gateway-{i}:8000"},
            annotations={**SAYS, "summary": f"gateway-{i} cannot be scraped"},
        )
        for i in range(25)
    ]
    sent.post(*alerts)
    _, page, text = next_of(mailbox[0], "PAGE: TargetDown · gateway (25 firing)")
    for shown in (page.text, text):
        assert shown.count("cannot be scraped") == 10
        assert shown.count(SAYS["description"]) == 1
        assert len(set(re.findall(r"instance[= ]gateway-(\d+):8000", shown))) == 10
        assert "… and 15 more" in shown
    assert "25 firing" in page.text


def test_hostile_texts_stay_text(sent: Alertmanager, mailbox: tuple[Mailbox, int]) -> None:
    """No tag, no header and no link comes out of a label or an annotation."""
    says = {"summary": HOSTILE, "description": HOSTILE, "runbook_url": "javascript:alert(1)"}
    labels = {"severity": "page", "service": "a <b> & c", "ä b": "<i>"}
    sent.post(alert(f"A {HOSTILE}", labels, annotations=says))
    line = re.sub(r"\s+", " ", HOSTILE)
    mail, page, text = next_of(mailbox[0], f"PAGE: A {line} · a <b> & c")
    assert mail["Bcc"] is None
    assert mailbox[0].envelopes[0].rcpt_tos == ["on-call@example.com"]
    assert page.tags.isdisjoint({"script", "i", "img", "form"})
    assert page.text.count("<script>alert('x')</script>") >= 4
    assert set(page.links) == {"Query", "Silence", "Alertmanager"}
    assert '"ä b"="<i>"' in unquote(page.links["Silence"])
    assert "Runbook:" not in text
    assert "javascript" not in text + "".join(page.links.values())
    assert not re.search(r"(?m)^Bcc", text)


def test_an_alert_without_labels_and_annotations_is_shown(
    sent: Alertmanager, mailbox: tuple[Mailbox, int]
) -> None:
    """Nothing is left empty, and no link leads nowhere."""
    sent.post({**alert("-"), "labels": {"severity": "page"}, "annotations": {}})
    _, page, text = next_of(mailbox[0], "PAGE: an alert without a name")
    assert set(page.links) == {"Silence", "Alertmanager"}
    assert "* no summary\n  since " in text
    assert "there is no runbook" in page.text
