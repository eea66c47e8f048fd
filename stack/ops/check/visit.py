"""A visit to one service: what is asked of it, once, for all points that look at the answers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import httpx

from stack.errors import OpsError
from stack.ops.check.jaeger import Jaeger
from stack.ops.check.lines import Lines
from stack.ops.check.requests import Sent, unknown_path
from stack.ops.check.scrape import OPENMETRICS, Scrape
from stack.ops.check.telling import CannotCheckError, shown

OWN_PATHS = ("/metrics", "/healthz", "/readyz", "/faults")
# Seconds that a whole check may take, one answer, and between two looks at what changes.
BUDGET = 13.0
PATIENCE = 3.0
PAUSE = 0.05
_MAX_BYTES = 20_000_000
_ACCEPT_TEXT = "text/plain; version=0.0.4"
_ACCEPT_OPENMETRICS = f"{OPENMETRICS}; version=1.0.0, text/plain; version=0.0.4; q=0.5"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the service before it is visited.

    Args:
        url: its address.
        path: a path to send requests to; empty for one that its metrics name.
        body: JSON that is posted to the path; empty for a GET.
        token: opens `/metrics`; empty for none.
        faults_token: opens `/faults`; empty for none.
        jaeger: where its spans are; empty if nobody knows.
    """

    url: str
    path: str = ""
    body: str = ""
    token: str = ""
    faults_token: str = ""
    jaeger: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service."""

    status: int
    headers: httpx.Headers
    text: str
    seconds: float


class Visit:
    """Asks the service and remembers; to be closed.

    Args:
        asked: what is known before.
        lines: the service's log; None if nobody knows it.
        http: a client; for tests.
    """

    def __init__(
        self, asked: Asked, lines: Lines | None = None, http: httpx.Client | None = None
    ) -> None:
        self.asked = asked
        self.http = http or httpx.Client()
        self.sent: list[Sent] = []
        # Sent with each request: it must come out nowhere.
        self.secret = f"check{secrets.token_hex(12)}"
        self._ends = time.monotonic() + BUDGET
        self._jaeger = asked.jaeger and Jaeger(asked.jaeger, self.http, self._ends)
        self._lines = lines
        self._first: Scrape | CannotCheckError = CannotCheckError("nobody has looked before")

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def begin(self) -> None:
        """Make sure that somebody is there, and remember how things stand before.

        Raises:
            OpsError: nobody answers.
        """
        try:
            self.ask("GET", "/healthz")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise OpsError(f"{self.asked.url} does not answer ({error}); is it started?") from error
        except httpx.HTTPError:
            # Somebody is there who answers badly: the points tell how.
            pass
        try:
            self._first = self.scrape()
        except CannotCheckError as error:
            self._first = error
        except httpx.HTTPError as error:
            self._first = CannotCheckError(f"/metrics did not answer at first: {error}")
        if self._lines is not None:
            self._lines.begin()

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        *,
        last: bool = False,
    ) -> Answer:
        """Ask the service, on a connection of its own so that any of its workers may answer.

        Args:
            method: GET, POST or DELETE.
            path: of what.
            headers: beside those that every request has.
            body: JSON; empty for none.
            last: whether it must be asked even when the time is over, to leave things in order.

        Raises:
            CannotCheckError: the time of the whole check is over.
            httpx.HTTPError: it does not answer.
        """
        began = time.monotonic()
        ends = began + PATIENCE if last else min(self._ends, began + PATIENCE)
        if began >= ends:
            raise CannotCheckError(f"the {BUDGET:g} s of the whole check are over")
        given = {"Connection": "close", **(headers or {})}
        if body:
            given["Content-Type"] = "application/json"
        request = self.http.build_request(
            method,
            self.asked.url + path,
            headers=given,
            content=body or None,
            timeout=ends - began,
        )
        response = self.http.send(request, stream=True)
        try:
            read = bytearray()
            for chunk in response.iter_bytes():
                read += chunk
                if time.monotonic() > ends or len(read) > _MAX_BYTES:
                    raise httpx.ReadTimeout(f"the answer did not end within {PATIENCE:g} s")
        finally:
            response.close()
        text = read.decode("utf-8", "replace")
        return Answer(response.status_code, response.headers, text, time.monotonic() - began)

    def send(self, method: str, path: str, *, body: str = "", sampled: bool = True) -> Sent:
        """Send a request in a trace of its own, with a secret that it must not give away."""
        sent = Sent(method, path, sampled)
        headers = {"traceparent": sent.traceparent, "Cookie": f"check={self.secret}"}
        sent.status = self.ask(method, path, headers, body).status
        self.sent.append(sent)
        return sent

    def send_known(self, *, sampled: bool = True) -> Sent:
        """Send a request to the path that was given or found."""
        method = "POST" if self.asked.body else "GET"
        return self.send(method, self.path, body=self.asked.body, sampled=sampled)

    def metrics(self, *, openmetrics: bool = False, token: str | None = None) -> Answer:
        """Ask for the series, with the token that is known or another."""
        token = self.asked.token if token is None else token
        headers = {"Accept": _ACCEPT_OPENMETRICS if openmetrics else _ACCEPT_TEXT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.ask("GET", "/metrics", headers)

    def scrape(self, *, openmetrics: bool = False) -> Scrape:
        """Return the series.

        Raises:
            CannotCheckError: there are none; a point of their own says so.
        """
        answer = self.metrics(openmetrics=openmetrics)
        if answer.status == 401 and not self.asked.token:
            raise CannotCheckError("/metrics asks for a token: --token-file names it")
        kind = answer.headers.get("Content-Type", "")
        if answer.status != 200 or (openmetrics and not kind.startswith(OPENMETRICS)):
            what = "OpenMetrics answer" if openmetrics else "answer with series"
            raise CannotCheckError(f"/metrics gives no {what} ({answer.status} {shown(kind)})")
        try:
            return Scrape.read(answer.text, openmetrics=kind.startswith(OPENMETRICS))
        except ValueError as error:
            raise CannotCheckError("what /metrics gives cannot be parsed") from error

    @property
    def first(self) -> Scrape:
        """The series before anything was sent.

        Raises:
            CannotCheckError: there were none.
        """
        if isinstance(self._first, CannotCheckError):
            raise self._first
        return self._first

    @cached_property
    def path(self) -> str:
        """Where requests go: a route without parameters that few ask for, if none was given."""
        if self.asked.path:
            return self.asked.path
        try:
            routes = self.first.requests("GET")
        except CannotCheckError:
            return "/"
        plain = [
            (count, route)
            for (route, _), count in routes.items()
            if route.startswith("/")
            and route not in OWN_PATHS
            and not set(route) & set("<>{}:*$()")
        ]
        return min(plain)[1] if plain else "/"

    @cached_property
    def known(self) -> Sent:
        """One request to that path."""
        return self.send_known()

    @cached_property
    def unknown(self) -> list[Sent]:
        """Three requests for what is not there, each under another path."""
        token = secrets.token_hex(6)
        paths = (unknown_path(), f"{unknown_path()}/7{secrets.randbelow(10**8):08}", f"/c{token}/x")
        return [self.send("GET", path) for path in paths]

    @cached_property
    def unsampled(self) -> Sent:
        """One request whose trace is not to be kept."""
        return self.send_known(sampled=False)

    @property
    def jaeger(self) -> Jaeger:
        """The store of its spans.

        Raises:
            CannotCheckError: nobody knows it.
        """
        if not self._jaeger:
            raise CannotCheckError("no Jaeger is known: --jaeger names one")
        return self._jaeger

    @property
    def lines(self) -> Lines:
        """The service's log.

        Raises:
            CannotCheckError: nobody knows it.
        """
        if self._lines is None:
            raise CannotCheckError("its log is not known: --logs names a file, or - for stdin")
        return self._lines
