"""What has arrived in Jaeger of the requests that were sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from stack.ops.check.requests import Sent
from stack.ops.check.telling import CannotCheckError, shown

# Seconds: exporters send a batch every five, by the specification's default.
ARRIVAL = 7.0
_PAUSE = 0.2
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has arrived."""

    name: str
    service: str
    parents: tuple[str, ...]
    tags: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether it is marked as an error."""
        return self.tags.get("error") is True or self.tags.get("otel.status_code") == "ERROR"


class Jaeger:
    """Jaeger's query API; what was found once is not asked for again.

    Args:
        url: its address.
        http: a client.
        ends: when the whole check does, by the monotonic clock.
    """

    def __init__(self, url: str, http: httpx.Client, ends: float) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._found: dict[str, list[Span]] = {}
        self._check_ends = ends
        self._ends = 0.0
        self._problem = ""

    def spans(self, sent: Sent, *, wait: bool = True) -> list[Span]:
        """Return the spans of a request's trace, its entry among them if that arrives in time.

        Raises:
            CannotCheckError: Jaeger does not answer.
        """
        # All that is waited for was sent by then; later points wait no more.
        self._ends = self._ends or min(time.monotonic() + ARRIVAL, self._check_ends)
        while True:
            found = self._found.get(sent.trace_id) or self._ask(sent.trace_id)
            complete = any(sent.span_id in span.parents for span in found)
            if complete:
                self._found[sent.trace_id] = found
            if complete or not wait or time.monotonic() >= self._ends:
                return found
            time.sleep(_PAUSE)

    def _ask(self, trace_id: str) -> list[Span]:
        if self._problem:
            raise CannotCheckError(self._problem)
        try:
            answer = self._http.get(f"{self._url}/api/traces/{trace_id}", timeout=_PATIENCE)
            # Its 404 for a trace that it does not have is JSON; that of a web server is none.
            traces = answer.json()["data"] or []
            if answer.status_code != 404:
                answer.raise_for_status()
            return [_span(span, trace["processes"]) for trace in traces for span in trace["spans"]]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            why = f"{type(error).__name__}: {error}"
            self._problem = f"Jaeger at {self._url} does not answer as Jaeger does: {shown(why)}"
            raise CannotCheckError(self._problem) from error


def _span(span: dict[str, Any], processes: dict[str, Any]) -> Span:
    return Span(
        span["operationName"],
        processes[span["processID"]]["serviceName"],
        tuple(each["spanID"] for each in span["references"] or ()),
        {tag["key"]: tag["value"] for tag in span["tags"] or ()},
    )
